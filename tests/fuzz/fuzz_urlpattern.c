/* The input is a pattern, its base and a topic, with NUL bytes between them. */
#include "core/urlpattern/urlpattern.h"
#include "fuzz.h"
#include "urlpattern_explain.h"

#define BASE "https://example.com/"

const char *const fuzz_vectors[] = {"urlpattern/urlpatterntestdata.json", NULL};

/* Writes a dictionary as the constructor string that is closest to it. */
static void add_dictionary(const json_t *init, struct mrc_buf *out)
{
    static const char *const parts[][2] = {
        {"protocol", "://"}, {"hostname", ""}, {"port", ""},
        {"pathname", ""},    {"search", ""},   {"hash", ""},
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *value = json_string_value(json_object_get(init, parts[i][0]));

        if (!value)
            continue;
        if (i >= 4 || i == 2)
            mrc_buf_add_char(out, i == 2 ? ':' : i == 4 ? '?' : '#');
        mrc_buf_add_str(out, value);
        mrc_buf_add_str(out, parts[i][1]);
    }
}

void fuzz_seed(const json_t *entry, struct mrc_buf *out)
{
    static const char *const members[] = {"pattern", "inputs"};

    for (int i = 0; i < 2; i++) {
        const json_t *args = json_object_get(entry, members[i]);
        const json_t *first = json_array_get(args, 0);
        const char *base = json_string_value(json_array_get(args, 1));

        if (json_is_string(first))
            mrc_buf_add_str(out, json_string_value(first));
        else
            add_dictionary(first, out);
        mrc_buf_add_char(out, '\0');
        if (i == 0) {
            mrc_buf_add_str(out, base ? base : BASE);
            mrc_buf_add_char(out, '\0');
        }
    }
}

/* If PCRE2 finds a match, the automaton must also find it. Their limits differ, so only small
 * inputs are compared. */
static void check_match(const struct mrc_urlpattern *routed, const struct explained *explained,
                        struct mrc_bytes topic, struct mrc_bytes base_text, bool is_small)
{
    struct mrc_url *base = NULL, *url = NULL;
    bool routes, explains;

    mrc_url_parse(base_text, NULL, NULL, &base);
    if (mrc_url_parse(topic, base, NULL, &url) == MRC_OK) {
        routes = explain_routes(routed, url);
        explains = explain_matches(explained, url);
        if (is_small && !explain_has_regexp_groups(explained))
            FUZZ_CHECK(routes || !explains);
    }
    mrc_url_free(url);
    mrc_url_free(base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mrc_bytes topic = {(const char *)data, size};
    struct mrc_bytes text = fuzz_cut(&topic);
    struct mrc_bytes base = fuzz_cut(&topic);
    struct mrc_urlpattern *routed = NULL;
    struct explained *explained = NULL;
    enum mrc_err err;

    err = mrc_urlpattern_compile(text, base, NULL, &routed);
    FUZZ_CHECK(!err == (routed != NULL));
    if (err)
        return 0;
    FUZZ_CHECK(mrc_urlpattern_size(routed) > 0);
    if (explain_compile(text, base, NULL, &explained) == MRC_OK)
        check_match(routed, explained, topic, base, size < 128);
    explain_free(explained);
    mrc_urlpattern_free(routed);
    return 0;
}
