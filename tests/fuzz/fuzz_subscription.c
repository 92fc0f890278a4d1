/*
 * A subscription request: its query, NUL, its body. A request that is accepted keeps to the limits
 * and holds every matcher of both; a hub that also speaks protocol 0.x accepts all that another hub
 * accepts.
 */
#include "core/base/utf8.h"
#include "core/protocol/form.h"
#include "core/protocol/subscription.h"
#include "fuzz.h"

#define MATCHERS_MAX 5
#define VALUE_MAX    100

const char *const fuzz_vectors[] = {"wpt-url/urlencoded-parser-data.json", NULL};

void fuzz_seed(const json_t *entry, struct mrc_buf *out)
{
    const char *input = json_string_value(json_object_get(entry, "input"));

    mrc_buf_add_str(out, "match=a%20b&match_urlpattern=/x/:id&lastEventID=1&");
    mrc_buf_add_str(out, input ? input : "");
    mrc_buf_add_char(out, '\0');
    mrc_buf_add_str(out, "topic=/x/{id}&match_exact=b&last_event_id=2");
}

/* The matchers of FORM, counted in another way. */
static size_t count(const struct mrc_form *form)
{
    size_t found = 0;

    for (size_t i = 0; i < mrc_form_count(form); i++) {
        struct mrc_bytes name = mrc_form_get(form, i).name;

        found +=
            mrc_bytes_eq_str(name, "topic") || mrc_bytes_starts_with(name, mrc_bytes_of("match"));
    }
    return found;
}

static bool parse(const struct mrc_form *query, const struct mrc_form *body, bool is_legacy,
                  struct mrc_subscription_request *ret_request)
{
    struct mrc_subscription_rules rules = {MATCHERS_MAX, VALUE_MAX, is_legacy};
    struct mrc_error error = {""};
    enum mrc_err err = mrc_subscription_parse(query, body, &rules, &error, ret_request);

    FUZZ_CHECK(!err == (ret_request->matchers != NULL));
    FUZZ_CHECK(!err == !error.text[0]);
    if (err)
        return false;
    FUZZ_CHECK(ret_request->matchers_count == count(query) + count(body));
    FUZZ_CHECK(ret_request->matchers_count > 0 && ret_request->matchers_count <= MATCHERS_MAX);
    for (size_t i = 0; i < ret_request->matchers_count; i++) {
        const struct mrc_subscription_matcher *matcher = &ret_request->matchers[i];

        FUZZ_CHECK(matcher->value.ptr && matcher->value.len <= VALUE_MAX);
        FUZZ_CHECK(mrc_utf8_check_text(matcher->value, NULL) == MRC_OK);
        FUZZ_CHECK(is_legacy || matcher->type.ptr);
    }
    FUZZ_CHECK(ret_request->has_cursor == (ret_request->cursor.ptr != NULL));
    return true;
}

static void check_both(const struct mrc_form *query, const struct mrc_form *body)
{
    struct mrc_subscription_request modern = {0}, legacy = {0};

    if (parse(query, body, false, &modern)) {
        FUZZ_CHECK(parse(query, body, true, &legacy));
        for (size_t i = 0; i < modern.matchers_count; i++) {
            FUZZ_CHECK(mrc_bytes_eq(modern.matchers[i].type, legacy.matchers[i].type));
            FUZZ_CHECK(mrc_bytes_eq(modern.matchers[i].value, legacy.matchers[i].value));
        }
        FUZZ_CHECK(legacy.has_cursor || !modern.has_cursor);
    } else {
        parse(query, body, true, &legacy);
    }
    mrc_subscription_request_clear(&modern);
    mrc_subscription_request_clear(&legacy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mrc_bytes rest = {(const char *)data, size};
    struct mrc_bytes first = fuzz_cut(&rest);
    struct mrc_form *query = NULL, *body = NULL;

    if (mrc_form_parse(first, 100, NULL, &query) == MRC_OK &&
        mrc_form_parse(rest, 100, NULL, &body) == MRC_OK)
        check_both(query, body);
    mrc_form_free(query);
    mrc_form_free(body);
    return 0;
}
