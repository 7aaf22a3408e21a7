// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Does a person watch what the command says?
#ifndef SWITCHYARD_LAUNCH_TERMINAL_H_
#define SWITCHYARD_LAUNCH_TERMINAL_H_

namespace switchyard::launch {

// True if standard output is a terminal. Open MPI's mpirun gives its ranks one
// even if its own output goes to a file, so there mpirun's own is looked at.
bool OutputIsTerminal();
// The same of standard error.
bool ErrorIsTerminal();

// Standard output's width; 80 if it does not tell.
int TerminalColumns();

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_TERMINAL_H_
