/*
 * The literal text at both ends of everything that a pattern matches: enough to tell, without
 * running the pattern, that a subject does not match.
 */
#ifndef MRC_CORE_PATTERN_LITERAL_H
#define MRC_CORE_PATTERN_LITERAL_H

#include <stdbool.h>

#include "core/base/bytes.h"

/* Views of the pattern. If the whole pattern is literal, prefix and suffix both are all of it. */
struct mrc_literal {
    struct mrc_bytes prefix, suffix; /* empty: nothing is known about that end */
    bool is_whole;
};

#endif
