/*
 * Prints text from outside without commands for the terminal.
 */
#ifndef MRC_TOOLS_VISIBLE_H
#define MRC_TOOLS_VISIBLE_H

#include <stdio.h>

#include "core/base/bytes.h"

/*
 * Prints TEXT, which is JSON or a message, to OUT with a \uXXXX for each control or format
 * character but line feeds: clients have chosen parts of it, and they can neither command a
 * terminal nor change the order of what it shows.
 */
void mrc_visible_print(FILE *out, struct mrc_bytes text);

#endif
