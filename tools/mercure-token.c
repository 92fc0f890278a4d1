/*
 * mercure-token: makes access tokens for development, and checks whether a hub would accept one.
 *
 * Exit status: 0 made or accepted, 1 refused, 2 bad usage.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdarg.h>

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/base/quote.h"
#include "core/base/utf8.h"
#include "core/jose/jws.h"
#include "core/jose/sign.h"
#include "core/token/token.h"
#include "core/topic/matcher.h"
#include "tools/visible.h"

#define MAX_TOPICS    1000
#define MAX_AUDIENCES 16
#define MAX_FILE      ((size_t)256 * 1024)
#define MAX_TTL_S     (100LL * 366 * 86400)

enum { EXIT_ACCEPTED = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct topic {
    enum mrc_action action;
    enum mrc_matcher_type type;
    const char *match;
};

struct options {
    const char *issuer, *subject, *client_id, *alg, *key, *kid, *payload, *check;
    const char *audiences[MAX_AUDIENCES];
    size_t audience_count;
    struct topic topics[MAX_TOPICS];
    size_t topic_count;
    long long ttl_s;
    bool legacy;
};

static const char help[] =
    "Usage: mercure-token --iss ISSUER --aud HUB --key KEY [GRANT]...\n"
    "       mercure-token --legacy --key KEY [GRANT]...\n"
    "       mercure-token --check TOKEN --key KEY [--alg ALGS] [--iss ISSUER] [--aud HUB]\n"
    "       mercure-token --check TOKEN --legacy --key KEY [--alg ALGS]\n"
    "\n"
    "Creates an access token for a Mercure hub and prints it, or checks one.\n"
    "\n"
    "Grants (each may be given several times; the topic `*` is every topic):\n"
    "  --publish TOPIC                 publish on TOPIC\n"
    "  --publish-urlpattern PATTERN    publish on the topics that match PATTERN\n"
    "  --subscribe TOPIC               receive private updates of TOPIC\n"
    "  --subscribe-urlpattern PATTERN  receive private updates of topics that match PATTERN\n"
    "  --payload JSON                  an object that the subscriptions of the token show\n"
    "\n"
    "Other claims:\n"
    "  --iss ISSUER      the issuer, as in the configuration of the hub's key\n"
    "  --aud HUB         the hub's resource identifier, usually its URL (repeatable)\n"
    "  --sub SUBJECT     the client (default: a random urn:uuid)\n"
    "  --client-id ID    the OAuth client (default: the issuer)\n"
    "  --ttl TIME        the lifetime: seconds, or a number with m, h or d (default: 1h)\n"
    "\n"
    "Signature:\n"
    "  --key KEY         the key itself, @FILE, or @- for standard input: a secret for HS*,\n"
    "                    otherwise a PEM private key (with --check: a public key, a\n"
    "                    certificate or a JWK Set)\n"
    "  --alg ALG         HS256 (default), HS384, HS512, RS*, PS*, ES*, EdDSA, Ed25519, Ed448\n"
    "                    (with --check: a list; default: the algorithm of the token)\n"
    "  --kid NAME        the name of the key\n"
    "\n"
    "  --legacy          a token of protocol 0.x, with the claim mercure: topics are exact, URI\n"
    "                    templates or `*`, and the payload is any JSON; without --iss and --aud\n"
    "  --check TOKEN     report whether a hub would accept TOKEN (`-`: standard input), and what\n"
    "                    it grants; without --iss or --aud, these claims are not compared\n"
    "  --help            this text\n";

/* Writes one line to standard error, and returns the exit status for bad usage. */
static int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int complain(const char *fmt, ...)
{
    va_list args;

    fputs("mercure-token: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

/* Reads the file PATH, or standard input for `-`. False, after a message, if that fails. */
static bool read_file(const char *path, struct mrc_buf *buf)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char block[4096];
    size_t len;
    bool ok;

    if (!file) {
        complain("%s: %s", path, strerror(errno));
        return false;
    }
    while ((len = fread(block, 1, sizeof(block), file)) > 0)
        mrc_buf_add(buf, block, len);
    ok = !ferror(file) && !mrc_buf_error(buf);
    if (!ok)
        complain("%s: %s", path, ferror(file) ? strerror(errno) : "the file is too long");
    if (file != stdin)
        fclose(file);
    return ok;
}

/* Reads the key that --key names. False, after a message, if that fails. */
static bool read_key(const struct options *options, struct mrc_buf *buf)
{
    if (!options->key) {
        complain("--key is missing: give the secret, @FILE, or @- for standard input");
        return false;
    }
    if (options->key[0] == '@')
        return read_file(options->key + 1, buf);
    mrc_buf_add_str(buf, options->key);
    return true;
}

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* A random urn:uuid (RFC 9562, version 4). */
static bool make_uuid(char uuid[48])
{
    unsigned char r[16];

    if (RAND_bytes(r, sizeof(r)) != 1)
        return false;
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    snprintf(uuid, 48,
             "urn:uuid:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0],
             r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13],
             r[14], r[15]);
    return true;
}

/* ---- making a token ---- */

/* The detail for ACTION; NULL: there is no topic for it. */
static json_t *make_detail(const struct options *options, enum mrc_action action, json_t *payload)
{
    json_t *topics = json_array(), *detail;

    for (size_t i = 0; i < options->topic_count; i++) {
        const struct topic *topic = &options->topics[i];

        if (topic->action != action)
            continue;
        json_array_append_new(topics,
                              topic->type == MRC_MATCHER_EXACT
                                  ? json_pack("{s:s}", "match", topic->match)
                                  : json_pack("{s:s,s:s}", "match", topic->match, "match_type",
                                              mrc_matcher_type_name(topic->type)));
    }
    if (!json_array_size(topics)) {
        json_decref(topics);
        return NULL;
    }
    detail = json_pack("{s:s,s:[s],s:o}", "type", MRC_GRANTS_DETAIL_TYPE, "actions",
                       action == MRC_ACTION_PUBLISH ? "publish" : "subscribe", "topics", topics);
    if (payload)
        json_object_set(detail, "payload", payload);
    return detail;
}

static json_t *make_claims(const struct options *options, json_t *payload)
{
    json_t *claims = json_object(), *details = json_array(), *audiences = json_array(), *detail;
    int64_t now_s = now_us() / 1000000;
    char subject[48], id[48];

    if (!make_uuid(subject) || !make_uuid(id)) {
        json_decref(claims);
        claims = NULL;
    }
    for (size_t i = 0; i < options->audience_count; i++)
        json_array_append_new(audiences, json_string(options->audiences[i]));
    json_object_set_new(claims, "iss", json_string(options->issuer));
    json_object_set(claims, "aud",
                    options->audience_count == 1 ? json_array_get(audiences, 0) : audiences);
    json_object_set_new(claims, "sub", json_string(options->subject ? options->subject : subject));
    json_object_set_new(claims, "client_id",
                        json_string(options->client_id ? options->client_id : options->issuer));
    json_object_set_new(claims, "iat", json_integer(now_s));
    json_object_set_new(claims, "exp", json_integer(now_s + options->ttl_s));
    json_object_set_new(claims, "jti", json_string(id));
    detail = make_detail(options, MRC_ACTION_PUBLISH, NULL);
    if (detail)
        json_array_append_new(details, detail);
    detail = make_detail(options, MRC_ACTION_SUBSCRIBE, payload);
    if (detail)
        json_array_append_new(details, detail);
    json_object_set(claims, "authorization_details", details);
    json_decref(audiences);
    json_decref(details);
    return claims;
}

/* The selectors for ACTION in protocol 0.x. */
static json_t *make_selectors(const struct options *options, enum mrc_action action)
{
    json_t *selectors = json_array();

    for (size_t i = 0; i < options->topic_count; i++) {
        if (options->topics[i].action == action)
            json_array_append_new(selectors, json_string(options->topics[i].match));
    }
    return selectors;
}

/* The claims of a token of protocol 0.x. */
static json_t *make_legacy_claims(const struct options *options, json_t *payload)
{
    json_t *claims = json_object(), *mercure = json_object();
    int64_t now_s = now_us() / 1000000;

    json_object_set_new(mercure, "publish", make_selectors(options, MRC_ACTION_PUBLISH));
    json_object_set_new(mercure, "subscribe", make_selectors(options, MRC_ACTION_SUBSCRIBE));
    if (payload)
        json_object_set(mercure, "payload", payload);
    json_object_set_new(claims, "mercure", mercure);
    if (options->subject)
        json_object_set_new(claims, "sub", json_string(options->subject));
    json_object_set_new(claims, "iat", json_integer(now_s));
    json_object_set_new(claims, "exp", json_integer(now_s + options->ttl_s));
    return claims;
}

static bool has_action(const struct options *options, enum mrc_action action)
{
    for (size_t i = 0; i < options->topic_count; i++)
        if (options->topics[i].action == action)
            return true;
    return false;
}

/* Checks the options for making a token. 0, or the exit status after a message. */
static int check_options(const struct options *options)
{
    const char *texts[] = {options->issuer, options->subject, options->client_id, options->kid};
    struct mrc_error error;

    for (size_t i = 0; options->legacy && i < options->topic_count; i++)
        if (options->topics[i].type == MRC_MATCHER_URLPATTERN)
            return complain("--legacy: protocol 0.x has no URL Patterns; give a topic, a URI "
                            "template or * with --publish and --subscribe");
    if (options->legacy && (options->issuer || options->audience_count || options->client_id))
        return complain("--legacy cannot be combined with --iss, --aud and --client-id: hubs do "
                        "not compare them in tokens of protocol 0.x");
    if (!options->legacy && !options->issuer)
        return complain("--iss is missing: give the issuer that the hub's key is configured for");
    if (!options->legacy && !options->audience_count)
        return complain("--aud is missing: give the hub's resource identifier, usually its URL");
    if (options->payload && !has_action(options, MRC_ACTION_SUBSCRIBE))
        return complain("--payload needs --subscribe or --subscribe-urlpattern");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i] && !mrc_utf8_valid(mrc_bytes_of(texts[i])))
            return complain("--iss, --sub, --client-id and --kid must be UTF-8");
    for (size_t i = 0; i < options->audience_count; i++)
        if (!mrc_utf8_valid(mrc_bytes_of(options->audiences[i])))
            return complain("--aud must be UTF-8");
    for (size_t i = 0; i < options->topic_count; i++)
        if (mrc_utf8_check_text(mrc_bytes_of(options->topics[i].match), &error))
            return complain("a topic is not valid: %s", error.text);
    return 0;
}

/* Refuses a secret that no hub would accept. A short one is only a warning. */
static int check_secret(enum mrc_alg alg, struct mrc_bytes key)
{
    struct mrc_keyset *keys = NULL;
    struct mrc_error error = {"out of memory"};

    if (!(mrc_alg_set_of(alg) & MRC_ALG_SET_HMAC))
        return 0;
    if (mrc_bytes_starts_with(key, mrc_bytes_of("-----BEGIN ")))
        return complain("--key: %s needs a secret, but this is a key in PEM: name the algorithm "
                        "of the private key with --alg, such as RS256, ES256 or EdDSA",
                        mrc_alg_name(alg));
    if (mrc_keyset_parse(key, mrc_alg_set_of(alg), MRC_KEYSET_SHORT_SECRET_WARNS, &error, &keys))
        return complain("--key: %s", error.text);
    if (mrc_keyset_get_warning(keys))
        fprintf(stderr, "mercure-token: warning: %s\n", mrc_keyset_get_warning(keys));
    mrc_keyset_free(keys);
    return 0;
}

/* Signs with the first algorithm of ALGS that fits KEY. */
static enum mrc_err sign(mrc_alg_set algs, struct mrc_bytes key, struct mrc_bytes header,
                         struct mrc_bytes payload, struct mrc_error *error, char **ret_token)
{
    enum mrc_err err = MRC_EINVAL;

    for (; algs && err == MRC_EINVAL; algs &= algs - 1)
        err = mrc_sign_jws(mrc_alg_set_first(algs), key, header, payload, error, ret_token);
    return err;
}

static int make(const struct options *options, struct mrc_bytes key)
{
    const char *alg_name = options->alg ? options->alg : "HS256";
    json_t *payload = NULL, *header = NULL, *claims = NULL;
    char *header_text = NULL, *claims_text = NULL, *token = NULL;
    struct mrc_error error = {"out of memory"};
    int status = check_options(options);
    mrc_alg_set algs;

    if (status)
        return status;
    if (mrc_alg_parse(mrc_bytes_of(alg_name), &algs))
        return complain(
            "--alg %s: use one of HS256, HS384, HS512, RS*, PS*, ES*, EdDSA, Ed25519, Ed448",
            alg_name);
    status = check_secret(mrc_alg_set_first(algs), key);
    if (status)
        return status;
    if (options->payload) {
        struct mrc_bytes text = mrc_bytes_of(options->payload);

        if (options->legacy ? mrc_json_parse(text, &error, &payload)
                            : mrc_json_parse_object(text, &error, &payload)) {
            status = complain("--payload must be %s; it is %s",
                              options->legacy ? "JSON" : "a JSON object", error.text);
            goto leave;
        }
    }
    header = json_pack("{s:s,s:s,s:s*}", "alg", alg_name, "typ", options->legacy ? "JWT" : "at+jwt",
                       "kid", options->kid);
    claims = options->legacy ? make_legacy_claims(options, payload) : make_claims(options, payload);
    if (!header || mrc_json_print(header, &header_text) || !claims ||
        mrc_json_print(claims, &claims_text)) {
        status = complain("out of memory");
        goto leave;
    }
    if (sign(algs, key, mrc_bytes_of(header_text), mrc_bytes_of(claims_text), &error, &token)) {
        status = complain("--key: %s", error.text);
        goto leave;
    }
    puts(token);
leave:
    json_decref(payload);
    json_decref(header);
    json_decref(claims);
    free(header_text);
    free(claims_text);
    free(token);
    return status;
}

/* ---- checking a token ---- */

static void print_time(int64_t time_us, int64_t from_us)
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm;
    char text[64];

    if (gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        printf("  expires    %s, in %" PRId64 " s\n", text, (time_us - from_us) / 1000000);
}

/* Prints a claim of a verified token, quoted if it holds control characters. */
static void print_claim(const char *name, const char *value)
{
    struct mrc_quote quote;

    if (mrc_utf8_check_text(mrc_bytes_of(value), NULL))
        value = mrc_quote(&quote, mrc_bytes_of(value));
    printf("  %-10s %s\n", name, value);
}

static void print_payload(const char *before, const char *json)
{
    fputs(before, stdout);
    mrc_visible_print(stdout, mrc_bytes_of(json));
}

static void print_token(const struct mrc_token *token, int64_t at_us)
{
    const struct mrc_grants *grants = mrc_token_get_grants(token);

    if (*mrc_token_get_issuer(token))
        print_claim("issuer", mrc_token_get_issuer(token));
    if (mrc_token_get_subject(token))
        print_claim("subject", mrc_token_get_subject(token));
    print_time(mrc_token_get_exp_us(token), at_us);
    for (size_t i = 0; i < mrc_grants_get_count(grants); i++) {
        struct mrc_grant grant = mrc_grants_get(grants, i);
        struct mrc_bytes match = mrc_matcher_get_value(grant.matcher);
        const char *type = mrc_matcher_type_name(mrc_matcher_get_type(grant.matcher));

        if (mrc_bytes_eq_str(match, "*"))
            type = "everything";
        if (grant.publish)
            printf("  publish    %s %.*s\n", type, (int)match.len, match.ptr);
        if (grant.subscribe) {
            printf("  subscribe  %s %.*s", type, (int)match.len, match.ptr);
            if (grant.payload)
                print_payload(" payload ", grant.payload);
            putchar('\n');
        }
    }
    if (mrc_token_is_legacy(token) && mrc_grants_find_payload(grants, mrc_bytes_of("*"))) {
        print_payload("  payload    ", mrc_grants_find_payload(grants, mrc_bytes_of("*")));
        putchar('\n');
    }
    if (!mrc_grants_allow_some(grants, MRC_ACTION_PUBLISH))
        puts("  it does not allow publishing");
    if (!mrc_grants_allow_some(grants, MRC_ACTION_SUBSCRIBE))
        puts("  it does not allow receiving private updates");
}

/* Says whether TEXT, which POLICY refuses, is a token of the other version of the protocol. */
static void print_mismatch(struct mrc_bytes text, const struct mrc_token_policy *policy)
{
    switch (mrc_token_find_mismatch(text, policy)) {
    case MRC_TOKEN_MISMATCH_0X:
        puts("  it is a token of protocol 0.x: add --legacy to check it as such");
        break;
    case MRC_TOKEN_MISMATCH_MODERN:
        puts("  it is a token of version 1: leave out --legacy to check it as such");
        break;
    case MRC_TOKEN_MISMATCH_ISSUER: /* needs keys of both versions */
    case MRC_TOKEN_MISMATCH_NONE:
        break;
    }
}

/* The algorithms that the `alg` of TEXT stands for, perhaps an invalid token; HS256 if unknown. */
static mrc_alg_set algs_of(struct mrc_bytes text)
{
    struct mrc_jws *jws = NULL;
    mrc_alg_set algs = mrc_alg_set_of(MRC_ALG_HS256);

    if (mrc_jws_parse(text, NULL, &jws) == MRC_OK)
        algs = mrc_jws_get_algs(jws);
    mrc_jws_free(jws);
    return algs;
}

/* Verifies TEXT as a hub with these keys would. TEXT replaces a missing --iss or --aud. */
static int check_with(const struct options *options, struct mrc_bytes text, mrc_alg_set algs,
                      const struct mrc_keyset *keys)
{
    struct mrc_token_trust trust = {options->issuer, algs, keys};
    struct mrc_token_policy policy = {
        .trust = &trust,
        .trust_count = options->legacy ? 0 : 1,
        .legacy = &trust,
        .legacy_count = options->legacy ? 1 : 0,
        .audiences = options->audiences,
        .audience_count = options->audience_count,
        .limits = {MRC_GRANTS_DETAILS_DEFAULT, MRC_GRANTS_TOPICS_DEFAULT,
                   MRC_GRANTS_PATTERN_BYTES_DEFAULT},
    };
    char *issuer = NULL, *audience = NULL;
    const char *own_audience;
    struct mrc_error reason = {"out of memory"};
    struct mrc_token *token = NULL;
    struct mrc_quote quote;
    int64_t at_us = now_us();
    int status = EXIT_REFUSED;

    if (mrc_token_peek(text, &reason, &issuer, &audience)) {
        printf("refused: %s\n", reason.text);
        return EXIT_REFUSED;
    }
    own_audience = audience;
    if (!trust.issuer)
        trust.issuer = issuer ? issuer : "";
    if (!policy.audience_count && own_audience) {
        policy.audiences = &own_audience;
        policy.audience_count = 1;
    }
    policy.base = policy.audience_count ? policy.audiences[0] : NULL;
    if (mrc_token_verify(text, &policy, at_us, &reason, &token)) {
        printf("refused: %s\n", reason.text);
        print_mismatch(text, &policy);
    } else {
        puts("accepted");
        print_token(token, at_us);
        if (!options->alg && algs_of(text) != mrc_alg_set_of(MRC_ALG_HS256))
            printf("  the algorithm, %s, was not compared (no --alg)\n",
                   mrc_alg_set_name(algs_of(text)));
        if (!options->issuer && !options->legacy)
            puts("  the issuer was not compared (no --iss)");
        if (!options->audience_count && !options->legacy)
            printf("  the audience, %s, was not compared (no --aud)\n",
                   mrc_quote(&quote, mrc_bytes_of(audience)));
        status = EXIT_ACCEPTED;
    }
    mrc_token_unref(token);
    free(issuer);
    free(audience);
    return status;
}

static int check(const struct options *options, struct mrc_bytes key)
{
    struct mrc_error error = {"out of memory"};
    struct mrc_keyset *keys = NULL;
    struct mrc_bytes text;
    struct mrc_buf buf;
    mrc_alg_set algs = 0;
    int status;

    if (options->topic_count || options->payload)
        return complain("--check cannot be combined with --publish, --subscribe and --payload");
    if (options->legacy && (options->issuer || options->audience_count))
        return complain("--check --legacy cannot be combined with --iss and --aud: hubs do not "
                        "compare them in tokens of protocol 0.x");
    if (options->alg && mrc_alg_parse_list(mrc_bytes_of(options->alg), &error, &algs))
        return complain("--alg: %s", error.text);
    mrc_buf_init(&buf, MAX_FILE);
    if (strcmp(options->check, "-") != 0)
        mrc_buf_add_str(&buf, options->check);
    else if (!read_file("-", &buf)) {
        status = EXIT_USAGE;
        goto leave;
    }
    text = mrc_buf_bytes(&buf);
    while (text.len && memchr(" \t\r\n", text.ptr[text.len - 1], 4))
        text.len--;
    if (!options->alg)
        algs = algs_of(text);
    if (mrc_keyset_parse(key, algs, options->legacy ? MRC_KEYSET_SHORT_SECRET_WARNS : 0, &error,
                         &keys)) {
        status = complain("--key: %s", error.text);
        goto leave;
    }
    if (mrc_keyset_get_warning(keys))
        fprintf(stderr, "mercure-token: warning: %s\n", mrc_keyset_get_warning(keys));
    status = check_with(options, text, algs, keys);
leave:
    mrc_buf_free(&buf);
    mrc_keyset_free(keys);
    return status;
}

/* ---- the command line ---- */

enum {
    OPT_PUBLISH = 1,
    OPT_PUBLISH_URLPATTERN,
    OPT_SUBSCRIBE,
    OPT_SUBSCRIBE_URLPATTERN,
    OPT_PAYLOAD,
    OPT_ISS,
    OPT_AUD,
    OPT_SUB,
    OPT_CLIENT_ID,
    OPT_TTL,
    OPT_ALG,
    OPT_KEY,
    OPT_KID,
    OPT_CHECK,
    OPT_LEGACY,
    OPT_HELP
};

static const struct option long_options[] = {
    {"publish", required_argument, NULL, OPT_PUBLISH},
    {"publish-urlpattern", required_argument, NULL, OPT_PUBLISH_URLPATTERN},
    {"subscribe", required_argument, NULL, OPT_SUBSCRIBE},
    {"subscribe-urlpattern", required_argument, NULL, OPT_SUBSCRIBE_URLPATTERN},
    {"payload", required_argument, NULL, OPT_PAYLOAD},
    {"iss", required_argument, NULL, OPT_ISS},
    {"aud", required_argument, NULL, OPT_AUD},
    {"sub", required_argument, NULL, OPT_SUB},
    {"client-id", required_argument, NULL, OPT_CLIENT_ID},
    {"ttl", required_argument, NULL, OPT_TTL},
    {"alg", required_argument, NULL, OPT_ALG},
    {"key", required_argument, NULL, OPT_KEY},
    {"kid", required_argument, NULL, OPT_KID},
    {"check", required_argument, NULL, OPT_CHECK},
    {"legacy", no_argument, NULL, OPT_LEGACY},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static bool parse_ttl(const char *text, long long *ret_ttl_s)
{
    long long unit = 1, number;
    char *end;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (end == text || errno || number < 1)
        return false;
    if (*end && end[1])
        return false;
    switch (*end) {
    case '\0':
    case 's':
        break;
    case 'm':
        unit = 60;
        break;
    case 'h':
        unit = 3600;
        break;
    case 'd':
        unit = 86400;
        break;
    default:
        return false;
    }
    if (number > MAX_TTL_S / unit)
        return false;
    *ret_ttl_s = number * unit;
    return true;
}

static int add_topic(struct options *options, int option, const char *match)
{
    if (options->topic_count == MAX_TOPICS)
        return complain("there are more than %d topics", MAX_TOPICS);
    options->topics[options->topic_count++] = (struct topic){
        .action = option == OPT_PUBLISH || option == OPT_PUBLISH_URLPATTERN ? MRC_ACTION_PUBLISH
                                                                            : MRC_ACTION_SUBSCRIBE,
        .type = option == OPT_PUBLISH || option == OPT_SUBSCRIBE ? MRC_MATCHER_EXACT
                                                                 : MRC_MATCHER_URLPATTERN,
        .match = match,
    };
    return 0;
}

/* Sets an option that may be given once. */
static int set_once(const char **place, const char *name, const char *value)
{
    if (*place)
        return complain("--%s is given twice", name);
    *place = value;
    return 0;
}

static int take_option(struct options *options, int option, const char *name, const char *value)
{
    switch (option) {
    case OPT_PUBLISH:
    case OPT_PUBLISH_URLPATTERN:
    case OPT_SUBSCRIBE:
    case OPT_SUBSCRIBE_URLPATTERN:
        return add_topic(options, option, value);
    case OPT_AUD:
        if (options->audience_count == MAX_AUDIENCES)
            return complain("--aud is given more than %d times", MAX_AUDIENCES);
        options->audiences[options->audience_count++] = value;
        return 0;
    case OPT_TTL:
        if (parse_ttl(value, &options->ttl_s))
            return 0;
        return complain("--ttl %s: give a number of seconds, or a number with m, h or d", value);
    case OPT_PAYLOAD:
        return set_once(&options->payload, name, value);
    case OPT_ISS:
        return set_once(&options->issuer, name, value);
    case OPT_SUB:
        return set_once(&options->subject, name, value);
    case OPT_CLIENT_ID:
        return set_once(&options->client_id, name, value);
    case OPT_ALG:
        return set_once(&options->alg, name, value);
    case OPT_KEY:
        return set_once(&options->key, name, value);
    case OPT_KID:
        return set_once(&options->kid, name, value);
    case OPT_CHECK:
        return set_once(&options->check, name, value);
    case OPT_LEGACY:
        options->legacy = true;
        return 0;
    default:
        return complain("%s: no such option, or its value is missing; see --help", value);
    }
}

int main(int argc, char **argv)
{
    static struct options options = {.ttl_s = 3600};
    struct mrc_buf key;
    int option, index = 0, status;

    opterr = 0; /* complain() writes the message */
    while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (option == OPT_HELP) {
            fputs(help, stdout);
            return 0;
        }
        status = take_option(&options, option, long_options[index].name,
                             option == '?' ? argv[optind - 1] : optarg);
        if (status)
            return status;
    }
    if (optind < argc)
        return complain("unexpected argument: %s; see --help", argv[optind]);
    if (options.check && options.key && strcmp(options.check, "-") == 0 &&
        strcmp(options.key, "@-") == 0)
        return complain("only one of --check and --key can be read from standard input");
    mrc_buf_init(&key, MAX_FILE);
    status = EXIT_USAGE;
    if (read_key(&options, &key))
        status = options.check ? check(&options, mrc_buf_bytes(&key))
                               : make(&options, mrc_buf_bytes(&key));
    if (key.ptr)
        OPENSSL_cleanse(key.ptr, key.cap);
    mrc_buf_free(&key);
    return status;
}
