#include "httpd/config/key_sources.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "httpd.h"

#include "apr_strings.h"
#include "apr_uri.h"
#include "http_config.h"

#include "core/jose/keyset.h"
#include "httpd/base/environment.h"
#include "httpd/base/reload.h"
#include "store/base/file.h"

#define CATALOGUE_KEY "mod_mercure:keys"

/* The file of all authorities that a system trusts has about a quarter of a megabyte. */
#define CA_FILE_MAX_BYTES ((size_t)16 * 1024 * 1024)

/* ---- the catalogue ----------------------------------------------------------------------------*/

struct mrc_key_sources_catalogue *mrc_key_sources_catalogue(apr_pool_t *pconf)
{
    struct mrc_key_sources_catalogue *catalogue;
    void *found = NULL;

    apr_pool_userdata_get(&found, CATALOGUE_KEY, pconf);
    if (found)
        return found;
    catalogue = apr_palloc(pconf, sizeof(*catalogue));
    catalogue->rows = apr_array_make(pconf, 4, sizeof(struct mrc_key_row *));
    catalogue->sources = apr_array_make(pconf, 4, sizeof(struct mrc_key_source));
    catalogue->specs = apr_array_make(pconf, 4, sizeof(struct mrc_document_spec));
    catalogue->skipped = apr_array_make(pconf, 1, sizeof(const char *));
    apr_pool_userdata_setn(catalogue, CATALOGUE_KEY, apr_pool_cleanup_null, pconf);
    return catalogue;
}

static void forget_content(struct mrc_document_spec *spec)
{
    if (spec->content.len)
        OPENSSL_cleanse((char *)spec->content.ptr, spec->content.len);
    spec->content = (struct mrc_bytes){NULL, 0};
}

void mrc_key_sources_forget_contents(struct mrc_key_sources_catalogue *catalogue)
{
    for (int i = 0; i < catalogue->specs->nelts; i++)
        forget_content(&APR_ARRAY_IDX(catalogue->specs, i, struct mrc_document_spec));
}

/*
 * The number of the document SPEC_NAME, which is made unless it exists. SPEC_NAME is the source as
 * the directive has it, with the absolute path of a file; NAME is the path or the URL.
 */
static size_t find_document(apr_pool_t *pconf, const char *spec_name, const char *name, bool is_url)
{
    struct mrc_key_sources_catalogue *catalogue = mrc_key_sources_catalogue(pconf);

    for (int i = 0; i < catalogue->specs->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(catalogue->specs, i, struct mrc_document_spec).name, spec_name))
            return (size_t)i;
    }
    *(struct mrc_key_source *)apr_array_push(catalogue->sources) =
        (struct mrc_key_source){.name = name, .is_url = is_url};
    *(struct mrc_document_spec *)apr_array_push(catalogue->specs) =
        (struct mrc_document_spec){.name = spec_name};
    return (size_t)catalogue->specs->nelts - 1;
}

/* ---- what messages show -----------------------------------------------------------------------*/

/* The longest name of an environment variable that a message shows. */
#define SHOWN_VARIABLE_MAX_BYTES 40

const char *mrc_key_sources_show_issuer(const char *issuer)
{
    bool is_url = !strncmp(issuer, "https://", 8) || !strncmp(issuer, "http://", 7);

    return is_url && !strpbrk(issuer, "@?#") ? issuer : "...";
}

const char *mrc_key_sources_show_variable(const char *name)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    size_t len = strspn(name, rest);

    return strspn(name, first) > 0 && len <= SHOWN_VARIABLE_MAX_BYTES && !name[len] ? name : NULL;
}

/* ---- sources ----------------------------------------------------------------------------------*/

/* The current content of a SOURCE. */
struct reading {
    struct mrc_bytes content; /* ptr NULL: it is fetched later */
    size_t document;          /* its number, or MRC_KEY_ROW_FIXED */
    unsigned flags;           /* more flags for mrc_keyset_parse() */
};

/* Why mrc_file_read() failed with STATUS, for a file of at most MAX_BYTES. */
static const char *read_problem(apr_pool_t *pool, apr_status_t status, size_t max_bytes)
{
    char reason[120];

    switch (status) {
    case APR_EINVAL:
        return "it is not a regular file";
    case APR_EGENERAL:
        return apr_psprintf(pool, "it is longer than %" APR_SIZE_T_FMT " bytes", max_bytes);
    default:
        return apr_pstrdup(pool, apr_strerror(status, reason, sizeof(reason)));
    }
}

/* Reads a small file completely. NULL, or an error message. */
static const char *read_file(apr_pool_t *pconf, const char *path, struct mrc_bytes *ret_content)
{
    struct mrc_buf buf;
    apr_status_t status;

    mrc_buf_init(&buf, MRC_KEYSET_MAX_BYTES);
    status = mrc_file_read(path, &buf);
    if (status == APR_SUCCESS) {
        struct mrc_bytes content = mrc_buf_bytes(&buf);

        *ret_content = (struct mrc_bytes){
            content.len ? apr_pmemdup(pconf, content.ptr, content.len) : "", content.len};
    }
    if (buf.ptr)
        OPENSSL_cleanse(buf.ptr, buf.cap);
    mrc_buf_free(&buf);
    if (status == APR_SUCCESS)
        return NULL;
    return apr_psprintf(pconf,
                        "the key file %s cannot be read: %s. Create it, or correct the path "
                        "(relative to ServerRoot, unless it begins with /) or the permissions "
                        "of the file",
                        path, read_problem(pconf, status, MRC_KEYSET_MAX_BYTES));
}

/*
 * A file is read once for all rows that name it, so that all of them have the same first version.
 */
static const char *read_file_source(apr_pool_t *pconf, const char *name, struct reading *reading)
{
    const char *path = *name ? ap_server_root_relative(pconf, name) : NULL;
    struct mrc_key_sources_catalogue *catalogue = mrc_key_sources_catalogue(pconf);
    struct mrc_document_spec *spec;

    if (!path)
        return apr_psprintf(pconf, "file:%s is not a valid path", name);
    reading->document = find_document(pconf, apr_pstrcat(pconf, "file:", path, NULL), path, false);
    spec = &APR_ARRAY_IDX(catalogue->specs, reading->document, struct mrc_document_spec);
    if (!spec->content.ptr) {
        const char *problem = read_file(pconf, path, &spec->content);

        if (problem)
            return problem;
    }
    reading->content = spec->content;
    return NULL;
}

static const char *read_variable(apr_pool_t *pconf, const char *name, struct reading *reading)
{
    const char *value = mrc_environment_read(pconf, name);

    if (!value && !mrc_key_sources_show_variable(name))
        return MRC_KEY_SOURCES_NO_VARIABLE;
    if (!value || !*value)
        return apr_psprintf(pconf,
                            "the environment variable %s is %s: set it where httpd is started "
                            "(on Debian in /etc/apache2/envvars)",
                            name, value ? "empty" : "not set");
    reading->content = mrc_bytes_of(value);
    return NULL;
}

/* Checks the URL only; its keys are fetched later. */
static const char *read_url(apr_pool_t *pconf, const char *url, mrc_alg_set algs,
                            struct reading *reading)
{
    apr_uri_t uri;

    if (apr_uri_parse(pconf, url, &uri) != APR_SUCCESS || !uri.hostname || !*uri.hostname ||
        strpbrk(url, " \t\r\n\"<>\\^`{|}"))
        return "the source is not a valid URL: give one such as https://example.com/jwks.json";
    if (strcmp(uri.scheme, "https"))
        return apr_psprintf(pconf,
                            "the hub fetches keys over https:// only: anybody on the network path "
                            "could replace keys that come over %s://. Use https://, or save the "
                            "JWK Set to a file and name it with file:PATH",
                            uri.scheme);
    if (uri.user || uri.password || uri.fragment)
        return "the URL of a JWK Set must not contain a user, a password or a fragment (#)";
    if (strlen(url) > MRC_KEY_SOURCES_URL_MAX_BYTES)
        return apr_psprintf(pconf, "the URL is longer than %d bytes",
                            MRC_KEY_SOURCES_URL_MAX_BYTES);
    if (algs & MRC_ALG_SET_HMAC)
        return apr_psprintf(pconf,
                            "%s needs a secret, but a URL provides public keys: name the algorithm "
                            "of the keys, such as RS256 or ES256",
                            mrc_alg_set_name(algs & MRC_ALG_SET_HMAC));
    url = apr_pstrdup(pconf, url);
    reading->document = find_document(pconf, url, url, true);
    reading->flags = MRC_KEYSET_SET_ONLY;
    return NULL;
}

static const char *read_source(apr_pool_t *pconf, const char *source, mrc_alg_set algs,
                               struct reading *reading)
{
    *reading = (struct reading){.document = MRC_KEY_ROW_FIXED};
    if (!strncmp(source, "env:", 4))
        return read_variable(pconf, source + 4, reading);
    if (!strncmp(source, "file:", 5))
        return read_file_source(pconf, source + 5, reading);
    if (!strncmp(source, "https:", 6) || !strncmp(source, "http:", 5))
        return read_url(pconf, source, algs, reading);
    reading->content = mrc_bytes_of(source);
    return NULL;
}

/*
 * An error message about the content of SOURCE. It names SOURCE, unless that is the secret itself.
 */
static const char *content_error(apr_pool_t *pconf, const char *source, const char *text)
{
    if (!strncmp(source, "env:", 4) || !strncmp(source, "file:", 5))
        return apr_psprintf(pconf, "%s: %s", source, text);
    return apr_pstrdup(pconf, text);
}

/*
 * Checks that ALGS are for secrets only, or for public keys only. A single key has been checked
 * with its content; this is for JWK Sets, which could hold keys of both kinds.
 */
static const char *check_kinds(apr_pool_t *pconf, mrc_alg_set algs)
{
    mrc_alg_set secret = algs & MRC_ALG_SET_HMAC, public_key = algs & ~MRC_ALG_SET_HMAC;

    if (!secret || !public_key)
        return NULL;
    return apr_psprintf(pconf,
                        "%s is for secrets and %s for public keys: give the keys of each kind a "
                        "directive of their own",
                        mrc_alg_set_name(secret), mrc_alg_set_name(public_key));
}

/* The number of PEM certificates in CONTENT. */
static int count_certificates(struct mrc_bytes content)
{
    BIO *bio = BIO_new_mem_buf(content.ptr, (int)content.len);
    int count = 0;
    X509 *cert;

    ERR_set_mark();
    while (bio && (cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
        X509_free(cert);
        count++;
    }
    ERR_pop_to_mark();
    BIO_free(bio);
    return count;
}

const char *mrc_key_sources_check_ca_file(apr_pool_t *pool, const char *path)
{
    struct mrc_buf buf;
    int count = 0;
    apr_status_t status;

    mrc_buf_init(&buf, CA_FILE_MAX_BYTES);
    status = mrc_file_read(path, &buf);
    if (status == APR_SUCCESS)
        count = count_certificates(mrc_buf_bytes(&buf));
    mrc_buf_free(&buf);
    if (status != APR_SUCCESS)
        return apr_psprintf(pool, "the file cannot be read: %s",
                            read_problem(pool, status, CA_FILE_MAX_BYTES));
    return count ? NULL : "the file contains no certificate in PEM format";
}

/* ---- rows -------------------------------------------------------------------------------------*/

static apr_status_t free_keys(void *keys)
{
    mrc_keyset_free(keys);
    return APR_SUCCESS;
}

/* Whether a row has keys from the first version of DOCUMENT. */
static bool has_keys(const struct mrc_key_sources_catalogue *catalogue, size_t document)
{
    for (int i = 0; i < catalogue->rows->nelts; i++) {
        const struct mrc_key_row *row =
            APR_ARRAY_IDX(catalogue->rows, i, const struct mrc_key_row *);

        if (row->document == document && row->keys)
            return true;
    }
    return false;
}

/*
 * Passes over PROBLEM with SOURCE, if the server runs and the problem is outside the configuration
 * text. A version of a file that no row can use is forgotten, so that the shared memory keeps the
 * previous one.
 */
static bool skip(apr_pool_t *pconf, const char *source, const struct reading *reading,
                 const char *problem)
{
    struct mrc_key_sources_catalogue *catalogue = mrc_key_sources_catalogue(pconf);
    bool is_file = !strncmp(source, "file:", 5);

    if (!mrc_reload_is_now() || (!is_file && strncmp(source, "env:", 4) != 0))
        return false;
    if (is_file && reading->document == MRC_KEY_ROW_FIXED)
        return false; /* not a path */
    if (is_file && !has_keys(catalogue, reading->document))
        forget_content(
            &APR_ARRAY_IDX(catalogue->specs, reading->document, struct mrc_document_spec));
    APR_ARRAY_PUSH(catalogue->skipped, const char *) = apr_psprintf(
        pconf, "%s. %s", problem,
        is_file ? "The keys that this file had before stay in force; if it had none, no token of "
                  "their issuer is accepted"
                : "Until httpd is stopped and started with this variable, no token of its issuer "
                  "is accepted");
    return true;
}

/*
 * Fills what identifies the source of ROW: its content, or its URL. One line end at the end of a
 * secret does not count, because it is not part of the secret in a file.
 */
static void identify(struct mrc_key_row *row, const struct reading *reading, const char *source)
{
    struct mrc_bytes bytes = reading->content.ptr ? reading->content : mrc_bytes_of(source);

    if (!reading->content.ptr && !(reading->flags & MRC_KEYSET_SET_ONLY))
        return; /* a reload could not read it */
    if (bytes.len && bytes.ptr[bytes.len - 1] == '\n')
        bytes.len--;
    if (bytes.len && bytes.ptr[bytes.len - 1] == '\r')
        bytes.len--;
    SHA256((const unsigned char *)bytes.ptr, bytes.len, row->source);
}

static struct mrc_key_row *add_row(apr_pool_t *pconf, const char *issuer, mrc_alg_set algs,
                                   unsigned flags, struct mrc_keyset *keys, size_t document)
{
    struct mrc_key_sources_catalogue *catalogue = mrc_key_sources_catalogue(pconf);
    struct mrc_key_row *row = apr_palloc(pconf, sizeof(*row));

    if (keys)
        apr_pool_cleanup_register(pconf, keys, free_keys, apr_pool_cleanup_null);
    *row = (struct mrc_key_row){
        .issuer = issuer ? apr_pstrdup(pconf, issuer) : NULL,
        .algs = algs,
        .flags = flags,
        .keys = keys,
        .document = document,
        .index = (size_t)catalogue->rows->nelts,
    };
    *(const struct mrc_key_row **)apr_array_push(catalogue->rows) = row;
    return row;
}

bool mrc_key_sources_is_same(const struct mrc_key_row *a, const struct mrc_key_row *b)
{
    static const unsigned char unknown[sizeof(a->source)] = {0};

    if (!a->issuer || !b->issuer || strcmp(a->issuer, b->issuer))
        return false;
    if (a->document != MRC_KEY_ROW_FIXED && a->document == b->document)
        return true;
    return memcmp(a->source, unknown, sizeof(unknown)) != 0 &&
           memcmp(a->source, b->source, sizeof(a->source)) == 0;
}

const char *mrc_key_sources_load(apr_pool_t *pconf, const char *issuer, const char *algs,
                                 const char *source, unsigned flags,
                                 const struct mrc_key_row **ret_row)
{
    struct mrc_error error = {""};
    struct mrc_keyset *keys = NULL;
    struct reading reading;
    struct mrc_key_row *row;
    const char *problem;
    mrc_alg_set set;

    if (issuer && !*issuer)
        return "the issuer is empty: give the value of the tokens' iss claim";
    if (mrc_alg_parse_list(mrc_bytes_of(algs), &error, &set) != MRC_OK)
        return apr_pstrdup(pconf, error.text);
    problem = read_source(pconf, source, set, &reading);
    if (!problem && reading.content.ptr &&
        mrc_keyset_parse(reading.content, set, flags, &error, &keys) != MRC_OK)
        problem = content_error(pconf, source, error.text);
    if (problem && !skip(pconf, source, &reading, problem))
        return problem;
    problem = check_kinds(pconf, set);
    if (problem) {
        mrc_keyset_free(keys);
        return content_error(pconf, source, problem);
    }
    row = add_row(pconf, issuer, set, flags | reading.flags, keys, reading.document);
    identify(row, &reading, source);
    *ret_row = row;
    return NULL;
}

const char *mrc_key_sources_load_loose(apr_pool_t *pool, const char *issuer, const char *algs,
                                       struct mrc_bytes content, unsigned flags, uint64_t number,
                                       const struct mrc_key_row **ret_row)
{
    struct mrc_error error = {""};
    struct mrc_keyset *keys = NULL;
    struct mrc_key_row *row;
    const char *problem;
    enum mrc_err err;
    mrc_alg_set set;

    if (issuer && !*issuer)
        return "the issuer is empty: give the value of the tokens' iss claim";
    if (mrc_alg_parse_list(mrc_bytes_of(algs), &error, &set) != MRC_OK)
        return apr_pstrdup(pool, error.text);
    problem = check_kinds(pool, set);
    if (problem)
        return problem;
    err = mrc_keyset_parse(content, set, flags, &error, &keys);
    *ret_row = NULL;
    if (err)
        return err == MRC_ENOMEM ? NULL : apr_pstrdup(pool, error.text);
    apr_pool_cleanup_register(pool, keys, free_keys, apr_pool_cleanup_null);
    row = apr_palloc(pool, sizeof(*row));
    *row = (struct mrc_key_row){
        .issuer = issuer ? apr_pstrdup(pool, issuer) : NULL,
        .algs = set,
        .flags = flags,
        .keys = keys,
        .document = MRC_KEY_ROW_FIXED,
        .index = MRC_KEY_ROW_LOOSE,
        .number = number,
    };
    *ret_row = row;
    return NULL;
}
