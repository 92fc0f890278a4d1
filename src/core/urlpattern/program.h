/*
 * Compiles components without regular expressions (fixed text, wildcards and modifiers) to an
 * automaton.
 *
 *     /a      CHAR/ CHARa                     :x      SEGMENT          *    ANY
 *     {P}?    SPLIT to the end, P             {P}+    P, SPLIT back to P
 *     {P}*    SPLIT to the end, P, SPLIT back to P
 */
#ifndef MRC_CORE_URLPATTERN_PROGRAM_H
#define MRC_CORE_URLPATTERN_PROGRAM_H

#include "core/pattern/automaton.h"
#include "core/urlpattern/part.h"

/*
 * Compiles LIST, which has no MRC_URLPATTERN_PART_REGEXP and is not kept. The caller frees
 * RET_PROGRAM. MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_program_compile(const struct mrc_urlpattern_part_list *list,
                                            struct mrc_automaton **ret_program);

#endif
