/* The input is a base URL, NUL, and a URL. */
#include "core/topic/reserved.h"
#include "core/url/url.h"
#include "fuzz.h"
#include "url_href.h"

const char *const fuzz_vectors[] = {
    "wpt-url/urltestdata.json",
    "wpt-url/toascii.json",
    "wpt-url/IdnaTestV2.json",
    NULL,
};

void fuzz_seed(const json_t *entry, struct mrc_buf *out)
{
    const json_t *input = json_object_get(entry, "input");
    const char *base = json_string_value(json_object_get(entry, "base"));

    if (!json_object_get(entry, "href") && !json_object_get(entry, "failure")) { /* a domain */
        mrc_buf_add(out, "\0https://", 9);
        mrc_buf_add(out, json_string_value(input), json_string_length(input));
        return;
    }
    mrc_buf_add_str(out, base ? base : "");
    mrc_buf_add_char(out, '\0');
    mrc_buf_add(out, json_string_value(input), json_string_length(input));
}

/* The parts of a URL are ASCII without control characters. Only an opaque path may hold spaces. */
static void check_text(struct mrc_bytes text, bool may_hold_spaces)
{
    for (size_t i = 0; i < text.len; i++)
        FUZZ_CHECK((text.ptr[i] > ' ' && text.ptr[i] < 0x7F) ||
                   (text.ptr[i] == ' ' && may_hold_spaces));
}

static void check_url(const struct mrc_url *url)
{
    struct mrc_buf href, again;
    struct mrc_url *reparsed = NULL;

    check_text(url->scheme, false);
    check_text(url->username, false);
    check_text(url->password, false);
    check_text(url->host, false);
    check_text(url->port, false);
    check_text(url->path, url->has_opaque_path);
    check_text(url->query, false);
    check_text(url->fragment, false);
    mrc_buf_init(&href, MRC_URL_MAX_BYTES * 20);
    mrc_buf_init(&again, MRC_URL_MAX_BYTES * 20);
    url_add_href(url, &href);
    FUZZ_CHECK(mrc_url_parse(mrc_buf_bytes(&href), NULL, NULL, &reparsed) == MRC_OK);
    url_add_href(reparsed, &again);
    FUZZ_CHECK(mrc_bytes_eq(mrc_buf_bytes(&href), mrc_buf_bytes(&again)));
    mrc_url_free(reparsed);
    mrc_buf_free(&again);
    mrc_buf_free(&href);
}

/* A space before a URL means nothing, but keeps mrc_reserved_covers() from taking its shortcut. */
static void check_reserved(struct mrc_bytes input)
{
    static const char *const paths[] = {"/.well-known/mercure", "/a/b"};
    static const char hub_url[] = "https://hub.example.com/.well-known/mercure";
    struct mrc_buf spaced;

    mrc_buf_init(&spaced, SIZE_MAX);
    mrc_buf_add_char(&spaced, ' ');
    mrc_buf_add_bytes(&spaced, input);
    FUZZ_CHECK(mrc_reserved_covers(input, hub_url, paths, 2) ==
               mrc_reserved_covers(mrc_buf_bytes(&spaced), hub_url, paths, 2));
    mrc_buf_free(&spaced);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mrc_bytes input = {(const char *)data, size};
    struct mrc_bytes base_text = fuzz_cut(&input);
    struct mrc_url *base = NULL, *url = NULL;

    mrc_url_parse(base_text, NULL, NULL, &base);
    if (base)
        check_url(base);
    if (mrc_url_parse(input, base, NULL, &url) == MRC_OK)
        check_url(url);
    else
        FUZZ_CHECK(!url);
    check_reserved(input);
    mrc_url_free(url);
    mrc_url_free(base);
    return 0;
}
