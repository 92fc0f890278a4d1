/*
 * The Unicode properties of ECMAScript regular expressions: \p{…} (Unicode 17).
 */
#ifndef MRC_CORE_URLPATTERN_PROPERTY_H
#define MRC_CORE_URLPATTERN_PROPERTY_H

#include "core/base/bytes.h"
#include "core/urlpattern/set.h"

/*
 * Finds the set that EXPRESSION, the text between the braces, stands for. RET_SET may hold
 * strings for a property of strings, such as RGI_Emoji. False: ECMAScript has no such property.
 */
bool mrc_urlpattern_property_find(struct mrc_bytes expression, struct mrc_urlpattern_set *ret_set);

#endif
