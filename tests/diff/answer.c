/*
 * Answers questions with the hub's URL parser and URL Patterns, for diff.mjs: reads one JSON object
 * per line, and prints one for each.
 *
 *     {"url": U, "base": B}                      -> {"href": …} or {}
 *     {"pattern": P, "base": B, "topic": T}      -> {"strings": […], "matches": …, "explains": …}
 *                                                   or {"error": reason, "refused": is_ours()}
 *     {"property": P}                            -> {"bits": [a, b, c], "strings": …} in hex, or {}
 *
 * A missing base is null. "matches" is the answer of the engine that routes, "explains" that of the
 * engine that explains. If only the former accepts a pattern, the program ends with an error.
 */
#include <jansson.h>
#include <stdlib.h>

#include "core/url/url.h"
#include "core/urlpattern/property.h"
#include "url_href.h"
#include "urlpattern_explain.h"

static struct mrc_bytes member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_string(value))
        return (struct mrc_bytes){NULL, 0};
    return (struct mrc_bytes){json_string_value(value), json_string_length(value)};
}

/* Parses TEXT with BASE, which may be missing; NULL if it is not a URL. */
static struct mrc_url *parse(struct mrc_bytes text, struct mrc_bytes base_text)
{
    struct mrc_url *base = NULL, *url = NULL;

    if (!base_text.ptr || mrc_url_parse(base_text, NULL, NULL, &base) == MRC_OK)
        mrc_url_parse(text, base, NULL, &url);
    mrc_url_free(base);
    return url;
}

static json_t *answer_url(const json_t *question)
{
    struct mrc_url *url = parse(member(question, "url"), member(question, "base"));
    json_t *answer = json_object();
    struct mrc_buf href;

    if (url) {
        mrc_buf_init(&href, 10 << 20);
        url_add_href(url, &href);
        json_object_set_new(answer, "href", json_stringn(href.ptr, href.len));
        mrc_buf_free(&href);
    }
    mrc_url_free(url);
    return answer;
}

/* Whether the reason of a refusal is a construct of ECMAScript that the hub does not support. */
static bool is_ours(const char *reason)
{
    static const char *const ours[] = {
        "a backreference",   "no fixed length",       "too large for PCRE2",
        "nested too deeply", "a group has more than",
    };

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strstr(reason, ours[i]))
            return true;
    return false;
}

static json_t *answer_pattern(const json_t *question)
{
    struct mrc_bytes text = member(question, "pattern"), base = member(question, "base");
    struct mrc_urlpattern *routed = NULL;
    struct explained *explained = NULL;
    json_t *answer = json_object(), *strings;
    struct mrc_error error = {""};
    struct mrc_url *url;
    bool matches = false, explains = false;

    if (mrc_urlpattern_compile(text, base, &error, &routed)) {
        json_object_set_new(answer, "error", json_string(error.text));
        json_object_set_new(answer, "refused", json_boolean(is_ours(error.text)));
        return answer;
    }
    if (explain_compile(text, base, &error, &explained)) {
        fprintf(stderr, "%s: the explaining engine refuses it: %s\n", text.ptr, error.text);
        exit(1);
    }
    url = parse(member(question, "topic"), base);
    if (url) {
        matches = explain_routes(routed, url);
        explains = explain_matches(explained, url);
    }
    strings = json_array();
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++) {
        struct mrc_bytes string = explain_string(explained, i);

        json_array_append_new(strings, json_stringn(string.ptr, string.len));
    }
    json_object_set_new(answer, "strings", strings);
    json_object_set_new(answer, "matches", json_boolean(matches));
    json_object_set_new(answer, "explains", json_boolean(explains));
    mrc_url_free(url);
    explain_free(explained);
    mrc_urlpattern_free(routed);
    return answer;
}

/* The set of \\p{P}. */
static json_t *answer_property(const json_t *question)
{
    json_t *answer = json_object(), *bits = json_array();
    struct mrc_urlpattern_set set;

    if (mrc_urlpattern_property_find(member(question, "property"), &set)) {
        for (int i = 0; i < MRC_URLPATTERN_SET_WORDS; i++)
            json_array_append_new(bits, json_sprintf("%llx", (unsigned long long)set.bits[i]));
        json_object_set(answer, "bits", bits);
        json_object_set_new(answer, "strings", json_boolean(set.may_hold_strings));
    }
    json_decref(bits);
    return answer;
}

int main(void)
{
    static char line[1 << 20];

    while (fgets(line, sizeof(line), stdin)) {
        json_error_t error;
        json_t *question = json_loads(line, JSON_ALLOW_NUL, &error), *answer;
        char *text;

        if (!question) {
            fprintf(stderr, "this line is not JSON: %s: %s", error.text, line);
            return 1;
        }
        if (json_object_get(question, "pattern"))
            answer = answer_pattern(question);
        else if (json_object_get(question, "property"))
            answer = answer_property(question);
        else
            answer = answer_url(question);
        text = json_dumps(answer, JSON_COMPACT);
        puts(text);
        free(text);
        json_decref(answer);
        json_decref(question);
    }
    return 0;
}
