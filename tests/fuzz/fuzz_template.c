/*
 * The input is a template, NUL, and a topic. The automaton must agree with PCRE2, which runs the
 * regular expression for the template, made here in another way.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/pattern/template.h"
#include "fuzz.h"
#include "vectors.h"

/* Larger inputs might exceed a limit of one of the engines. */
#define COMPARED_MAX 96

const char *const fuzz_vectors[] = {"uritemplate/spec-examples.json",
                                    "uritemplate/extended-tests.json",
                                    "uritemplate/negative-tests.json", NULL};

void fuzz_seed(const json_t *entry, struct mrc_buf *out)
{
    const json_t *expansion = json_array_get(entry, 1);

    if (json_is_array(expansion))
        expansion = json_array_get(expansion, 0);
    mrc_buf_add_bytes(out, vectors_bytes(json_array_get(entry, 0)));
    mrc_buf_add_char(out, '\0');
    mrc_buf_add_bytes(out, vectors_bytes(expansion));
}

static void add_class(struct mrc_buf *regexp, char op, bool with_equals)
{
    bool is_reserved = op == '+' || op == '#';

    mrc_buf_printf(regexp, "(?:[-._~A-Za-z0-9,%s%s]|%%[0-9A-Fa-f]{2})*",
                   with_equals || strchr(";?&", op) ? "=" : "",
                   is_reserved ? "!#$&'()*+/:;=?@[\\]" : "");
}

/* BODY is the text between the braces of a valid expression. */
static void add_expression(struct mrc_buf *regexp, struct mrc_bytes body)
{
    char op = strchr("+#./;?&", body.ptr[0]) ? body.ptr[0] : 'x';
    char separator = strchr("x+#", op) ? ',' : op == '?' ? '&' : op;
    const char *comma = memchr(body.ptr, ',', body.len);
    size_t first_len = comma ? (size_t)(comma - body.ptr) : body.len;
    bool first_explodes = body.ptr[first_len - 1] == '*';
    bool explodes = memchr(body.ptr, '*', body.len) != NULL;
    size_t others = 0;

    for (size_t i = 0; i < body.len; i++)
        others += body.ptr[i] == ',';
    mrc_buf_add_str(regexp, "(?:");
    if (strchr("#./;?&", op))
        mrc_buf_printf(regexp, "\\%c", op);
    add_class(regexp, op, first_explodes);
    mrc_buf_printf(regexp, "(?:\\%c", separator);
    add_class(regexp, op, explodes);
    if (explodes)
        mrc_buf_add_str(regexp, ")*)?");
    else
        mrc_buf_printf(regexp, "){0,%zu})?", others);
}

static void add_template(struct mrc_buf *regexp, struct mrc_bytes text)
{
    mrc_buf_add_str(regexp, "\\A(?:");
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '{') {
            const char *end = memchr(text.ptr + i, '}', text.len - i);

            add_expression(regexp,
                           (struct mrc_bytes){text.ptr + i + 1, (size_t)(end - text.ptr) - i - 1});
            i = (size_t)(end - text.ptr);
        } else if (c >= 0x80) {
            mrc_buf_printf(regexp, "(?:\\x%02x|%%%02X)", c, c);
        } else {
            mrc_buf_printf(regexp, "\\x%02x", c);
        }
    }
    mrc_buf_add_str(regexp, ")\\z");
}

/* 1: it matches. 0: it does not. -1: PCRE2 gives up. */
static int regexp_matches(struct mrc_bytes text, struct mrc_bytes topic)
{
    struct mrc_buf regexp;
    pcre2_match_data *match;
    pcre2_code *code;
    PCRE2_SIZE offset;
    int error, found;

    mrc_buf_init(&regexp, 1 << 20);
    add_template(&regexp, text);
    FUZZ_CHECK(!mrc_buf_error(&regexp));
    code = pcre2_compile((PCRE2_SPTR)regexp.ptr, regexp.len, 0, &error, &offset, NULL);
    FUZZ_CHECK(code != NULL);
    match = pcre2_match_data_create(1, NULL);
    found = pcre2_match(code, (PCRE2_SPTR)topic.ptr, topic.len, 0, 0, match, NULL);
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    mrc_buf_free(&regexp);
    if (found == PCRE2_ERROR_NOMATCH)
        return 0;
    return found >= 0 ? 1 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mrc_bytes topic = {(const char *)data, size};
    struct mrc_bytes text = fuzz_cut(&topic);
    struct mrc_automaton *template = NULL;
    enum mrc_err err = mrc_template_compile(text, NULL, &template);
    bool matches;
    int expected;

    FUZZ_CHECK(!err == (template != NULL));
    if (err)
        return 0;
    FUZZ_CHECK(mrc_automaton_size(template) > 0);
    FUZZ_CHECK(mrc_automaton_match(template, topic, &matches) == MRC_OK);
    expected = size <= COMPARED_MAX ? regexp_matches(text, topic) : -1;
    FUZZ_CHECK(expected < 0 || matches == (expected == 1));
    mrc_automaton_free(template);
    return 0;
}
