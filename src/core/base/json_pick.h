/*
 * Parses the members of a JSON object that its reader uses, and no others.
 *
 * The text must be valid JSON. The members that are used also have to meet the rules of json.h: no
 * NUL, no half of a surrogate pair, no deep nesting, no duplicates. Any other member may hold any
 * JSON value and is ignored, as RFC 7515 (4), RFC 7517 (4) and RFC 7519 (4.3) require.
 */
#ifndef MRC_CORE_BASE_JSON_PICK_H
#define MRC_CORE_BASE_JSON_PICK_H

#include <jansson.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

/* A member that is used. A list of these ends with a NULL name. */
struct mrc_json_pick {
    const char *name; /* ASCII */
    /*
     * The members of the object that the member holds, or of each object in the array that it
     * holds. NULL: all of them, to any depth.
     */
    const struct mrc_json_pick *members;
    /*
     * If `type` of an object is another string, none of its members is used, and `type` becomes
     * empty. NULL: any type.
     */
    const char *type;
};

/*
 * Parses TEXT, which must be an object. RET_OBJECT has the members of PICKS; any other member is
 * null in it. The caller json_decref()s it. MRC_EINVAL or MRC_ELIMIT, and ERROR completes a
 * sentence as in json.h; MRC_ENOMEM.
 */
enum mrc_err mrc_json_pick(struct mrc_bytes text, const struct mrc_json_pick *picks,
                           struct mrc_error *error, json_t **ret_object);

#endif
