/*
 * mercure-control: the command line of HUB/control/, for the operators of a hub.
 *
 * Exit status: 0 done, 1 refused by the hub, 2 bad usage, 3 the hub did not answer.
 */
#include <curl/curl.h>
#include <curl/mprintf.h>
#include <errno.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/jose/sign.h"
#include "tools/visible.h"

#define MAX_FILE    ((size_t)256 * 1024)
#define MAX_ANSWER  ((size_t)256 * 1024 * 1024)
#define TOKEN_TTL_S 60
#define TIMEOUT_S   30L
#define MAX_FIELDS  16
#define MAX_HEADERS 4

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHED = 3 };

static const char help[] =
    "Usage: mercure-control --hub URL --key KEY --iss ISSUER [OPTION]... COMMAND [FIELD]...\n"
    "       mercure-control --hub URL --token TOKEN COMMAND [FIELD]...\n"
    "\n"
    "Ends streams, revokes tokens and looks at a Mercure hub that has a MercureControlKey.\n"
    "\n"
    "Commands and their fields:\n"
    "  disconnect   [--subscriber ID] [--sub SUB] [--jti JTI] [--match TOPIC [--match_type TYPE]]\n"
    "               [--address IP] [--all]     end the streams that match all of these\n"
    "  revoke       --sub SUB [--issued-before SECONDS] | --jti JTI | --token TOKEN\n"
    "               [--iss ISSUER] [--ttl SECONDS]     refuse tokens, and end their streams\n"
    "  revocations  list all revocations\n"
    "  lift ID      lift a revocation\n"
    "  stats        show what happens in the hub\n"
    "  streams      [--sub SUB] [--match TOPIC [--match_type TYPE]] [--limit N] [--after PLACE]\n"
    "               list the open streams\n"
    "\n"
    "The operator:\n"
    "  --hub URL      the URL of the hub\n"
    "  --key KEY      the key of MercureControlKey: a secret, @FILE, or @- for standard input\n"
    "  --alg ALG      its algorithm (default: HS256); for others, KEY is a PEM private key\n"
    "  --iss ISSUER   its issuer\n"
    "  --aud URL      the hub's resource identifier (default: the URL of the hub)\n"
    "  --as NAME      who you are, for the log of the hub (default: $USER)\n"
    "  --token TOKEN  a token instead of a key: the token itself, @FILE, or @-\n"
    "  --cacert FILE  certificates of the authorities to trust\n"
    "  --help         this text\n";

/* One call, as the command line has it. */
struct call {
    const char *hub, *key, *alg, *iss, *aud, *as, *token, *cacert;
    const char *method; /* of HTTP */
    char *path;         /* below the hub */
    const char *names[MAX_FIELDS], *values[MAX_FIELDS];
    size_t count;
};

struct field {
    const char *name;
    bool is_flag;
};

struct command {
    const char *name, *method, *path;
    bool has_item;
    struct field fields[MAX_FIELDS];
};

static const struct command commands[] = {
    {"disconnect",
     "POST",
     "disconnect",
     false,
     {{"subscriber", false},
      {"sub", false},
      {"jti", false},
      {"match", false},
      {"match_type", false},
      {"address", false},
      {"all", true}}},
    {"revoke",
     "POST",
     "revoke",
     false,
     {{"sub", false},
      {"issued-before", false},
      {"jti", false},
      {"token", false},
      {"iss", false},
      {"ttl", false}}},
    {"revocations", "GET", "revocations", false, {{NULL, false}}},
    {"lift", "DELETE", "revocations/", true, {{NULL, false}}},
    {"stats", "GET", "stats", false, {{NULL, false}}},
    {"streams",
     "GET",
     "streams",
     false,
     {{"sub", false}, {"match", false}, {"match_type", false}, {"limit", false}, {"after", false}}},
};

static int complain(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int complain(int status, const char *fmt, ...)
{
    va_list args;

    fputs("mercure-control: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

/* ---- the command line -------------------------------------------------------------------------*/

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    }
    return NULL;
}

static const struct field *find_field(const struct command *command, const char *arg)
{
    for (size_t i = 0; !strncmp(arg, "--", 2) && i < MAX_FIELDS && command->fields[i].name; i++) {
        if (!strcmp(command->fields[i].name, arg + 2))
            return &command->fields[i];
    }
    return NULL;
}

/* Reads the arguments after the name of COMMAND. 0, or the exit status after a message. */
static int read_fields(struct call *call, const struct command *command, int argc, char **argv)
{
    int i = 0;

    if (command->has_item && (argc < 1 || argv[0][0] == '-'))
        return complain(EXIT_USAGE, "%s needs an ID", command->name);
    call->method = command->method;
    call->path = curl_maprintf("%s", command->path);
    if (command->has_item) {
        char *item = curl_easy_escape(NULL, argv[i++], 0);

        curl_free(call->path);
        call->path = item ? curl_maprintf("%s%s", command->path, item) : NULL;
        curl_free(item);
    }
    for (; i < argc; i++) {
        const struct field *field = find_field(command, argv[i]);

        if (!field)
            return complain(EXIT_USAGE, "%s does not take %s", command->name, argv[i]);
        if (!field->is_flag && i + 1 == argc)
            return complain(EXIT_USAGE, "%s needs a value", argv[i]);
        if (call->count == MAX_FIELDS)
            return complain(EXIT_USAGE, "there are more than %d fields", MAX_FIELDS);
        call->names[call->count] = field->name;
        call->values[call->count++] = field->is_flag ? "1" : argv[++i];
    }
    return call->path ? 0 : complain(EXIT_UNREACHED, "out of memory");
}

/* Reads the options before the command. 0, or the exit status after a message. */
static int read_options(struct call *call, int argc, char **argv)
{
    enum { HUB = 1, KEY, ALG, ISS, AUD, AS, TOKEN, CACERT, HELP };
    static const struct option options[] = {
        {"hub", required_argument, NULL, HUB},     {"key", required_argument, NULL, KEY},
        {"alg", required_argument, NULL, ALG},     {"iss", required_argument, NULL, ISS},
        {"aud", required_argument, NULL, AUD},     {"as", required_argument, NULL, AS},
        {"token", required_argument, NULL, TOKEN}, {"cacert", required_argument, NULL, CACERT},
        {"help", no_argument, NULL, HELP},         {NULL, 0, NULL, 0}};
    const char **const places[] = {
        [HUB] = &call->hub, [KEY] = &call->key, [ALG] = &call->alg,     [ISS] = &call->iss,
        [AUD] = &call->aud, [AS] = &call->as,   [TOKEN] = &call->token, [CACERT] = &call->cacert};
    const struct command *command;
    int option;

    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (option == HELP) {
            fputs(help, stdout);
            exit(EXIT_DONE);
        }
        if (option == '?')
            return EXIT_USAGE;
        *places[option] = optarg;
    }
    if (optind == argc)
        return complain(EXIT_USAGE, "the command is missing; see --help");
    command = find_command(argv[optind]);
    if (!command)
        return complain(EXIT_USAGE, "%s is not a command; see --help", argv[optind]);
    if (!call->hub)
        return complain(EXIT_USAGE, "--hub is missing: give the URL of the hub");
    if (!call->token && (!call->key || !call->iss))
        return complain(EXIT_USAGE,
                        "give --key and --iss, as MercureControlKey has them, or --token");
    return read_fields(call, command, argc - optind - 1, argv + optind + 1);
}

/* Reads TEXT: itself, or the file after @, without one line end at its end. */
static bool read_text(const char *text, struct mrc_buf *buf)
{
    FILE *file;
    char block[4096];
    size_t len;
    bool ok;

    if (text[0] != '@') {
        mrc_buf_add_str(buf, text);
        return true;
    }
    file = strcmp(text, "@-") ? fopen(text + 1, "rb") : stdin;
    if (!file)
        return complain(0, "%s: %s", text + 1, strerror(errno));
    while ((len = fread(block, 1, sizeof(block), file)) > 0)
        mrc_buf_add(buf, block, len);
    ok = !ferror(file) && !mrc_buf_error(buf);
    if (file != stdin)
        fclose(file);
    OPENSSL_cleanse(block, sizeof(block));
    if (!ok)
        return complain(0, "%s cannot be read, or is too long", text + 1);
    if (buf->len && buf->ptr[buf->len - 1] == '\n')
        buf->len--;
    return true;
}

/* ---- the token --------------------------------------------------------------------------------*/

/* Signs a token that lives for a minute. NULL, after a message, if that fails. */
static char *make_token(const struct call *call, struct mrc_bytes key)
{
    const char *alg = call->alg ? call->alg : "HS256", *user = getenv("USER");
    const char *as = call->as ? call->as : user ? user : "mercure-control";
    char *header_text = NULL, *claims_text = NULL, *token = NULL;
    struct mrc_error error = {"out of memory"};
    json_int_t now_s = (json_int_t)time(NULL);
    json_t *header = json_pack("{s:s,s:s}", "alg", alg, "typ", "at+jwt");
    json_t *claims = json_pack("{s:s,s:s,s:s,s:I,s:I}", "iss", call->iss, "aud",
                               call->aud ? call->aud : call->hub, "sub", as, "iat", now_s, "exp",
                               now_s + TOKEN_TTL_S);
    mrc_alg_set algs = 0;

    if (mrc_alg_parse(mrc_bytes_of(alg), &algs))
        mrc_error_set(&error, MRC_EINVAL, "%s is not an algorithm", alg);
    else if (header && claims && !mrc_json_print(header, &header_text) &&
             !mrc_json_print(claims, &claims_text))
        mrc_sign_jws(mrc_alg_set_first(algs), key, mrc_bytes_of(header_text),
                     mrc_bytes_of(claims_text), &error, &token);
    if (!token)
        complain(0, "no token can be made: %s", error.text);
    json_decref(header);
    json_decref(claims);
    free(header_text);
    free(claims_text);
    return token;
}

/* The token of CALL, from malloc(). NULL, after a message, if there is none. */
static char *get_token(const struct call *call)
{
    char *token = NULL;
    struct mrc_buf buf;

    mrc_buf_init(&buf, MAX_FILE);
    if (read_text(call->token ? call->token : call->key, &buf))
        token = call->token ? strndup(mrc_buf_bytes(&buf).ptr, buf.len)
                            : make_token(call, mrc_buf_bytes(&buf));
    if (buf.ptr)
        OPENSSL_cleanse(buf.ptr, buf.cap);
    mrc_buf_free(&buf);
    return token;
}

/* ---- the request ------------------------------------------------------------------------------*/

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    mrc_buf_add(ctx, data, size * count);
    return mrc_buf_error(ctx) ? 0 : size * count;
}

/* The fields of CALL as a form; free with mrc_buf_free(). */
static void add_form(const struct call *call, struct mrc_buf *form)
{
    for (size_t i = 0; i < call->count; i++) {
        char *value = curl_easy_escape(NULL, call->values[i], 0);

        mrc_buf_printf(form, "%s%s=%s", i ? "&" : "", call->names[i], value ? value : "");
        curl_free(value);
    }
}

/* Says why the hub has refused the call. */
static int explain(long status, struct mrc_bytes body)
{
    json_t *problem = NULL;
    const char *detail = NULL;

    if (mrc_json_parse_object(body, NULL, &problem) == MRC_OK)
        detail = json_string_value(json_object_get(problem, "detail"));
    fprintf(stderr, "mercure-control: the hub answered %ld%s", status, detail ? ": " : "");
    mrc_visible_print(stderr, mrc_bytes_of(detail ? detail : ""));
    fputc('\n', stderr);
    json_decref(problem);
    return EXIT_REFUSED;
}

static int report(CURL *curl, CURLcode code, const char *reason, struct mrc_bytes body)
{
    long status = 0;

    if (code != CURLE_OK)
        return complain(EXIT_UNREACHED, "the hub did not answer: %s",
                        *reason ? reason : curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299)
        return explain(status, body);
    mrc_visible_print(stdout, body);
    if (body.len)
        putchar('\n');
    return fflush(stdout) ? complain(EXIT_UNREACHED, "%s", strerror(errno)) : EXIT_DONE;
}

static int perform(CURL *curl, const struct call *call, const char *token)
{
    bool posts = !strcmp(call->method, "POST");
    char reason[CURL_ERROR_SIZE] = "";
    struct mrc_buf form, body, url;
    CURLcode code;
    int status;

    mrc_buf_init(&form, SIZE_MAX);
    mrc_buf_init(&body, MAX_ANSWER);
    mrc_buf_init(&url, SIZE_MAX);
    add_form(call, &form);
    mrc_buf_printf(&url, "%s%scontrol/%s", call->hub,
                   call->hub[strlen(call->hub) - 1] == '/' ? "" : "/", call->path);
    if (!posts && form.len)
        mrc_buf_printf(&url, "?%.*s", (int)form.len, form.ptr);
    mrc_buf_add_char(&url, '\0');
    mrc_buf_add_char(&form, '\0');
    curl_easy_setopt(curl, CURLOPT_URL, url.ptr);
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, token);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    if (call->cacert)
        curl_easy_setopt(curl, CURLOPT_CAINFO, call->cacert);
    if (posts)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, form.ptr);
    else
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    code =
        mrc_buf_error(&form) || mrc_buf_error(&url) ? CURLE_OUT_OF_MEMORY : curl_easy_perform(curl);
    status = report(curl, code, reason, mrc_buf_bytes(&body));
    mrc_buf_free(&form);
    mrc_buf_free(&body);
    mrc_buf_free(&url);
    return status;
}

int main(int argc, char **argv)
{
    struct call call = {.hub = NULL};
    int status;
    CURL *curl;
    char *token;

    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return complain(EXIT_UNREACHED, "the system has no random bytes");
    status = read_options(&call, argc, argv);
    token = status ? NULL : get_token(&call);
    if (!status && !token)
        status = EXIT_USAGE;
    curl = status ? NULL : curl_easy_init();
    if (!status)
        status = curl ? perform(curl, &call, token) : complain(EXIT_UNREACHED, "out of memory");
    curl_easy_cleanup(curl);
    if (token)
        OPENSSL_cleanse(token, strlen(token));
    free(token);
    curl_free(call.path);
    curl_global_cleanup();
    return status;
}
