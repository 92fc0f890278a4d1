/*
 * mod_mercure for other modules of httpd: publish an update, and find the hub.
 *
 * The functions are APR optional functions, so a module that uses them also works without
 * mod_mercure. Retrieve them once all modules are loaded, for example in a post_config hook:
 *
 *     static APR_OPTIONAL_FN_TYPE(mercure_publish) *publish;
 *     publish = APR_RETRIEVE_OPTIONAL_FN(mercure_publish);     -- NULL: mod_mercure is not loaded
 *
 *     const char *topics[] = {"https://example.com/books/1", NULL};
 *     mercure_update update = {.size = sizeof(update), .topics = topics, .data = "sold out",
 *                              .data_len = 8, .retry_ms = -1};
 *     status = publish(r, NULL, &update, &id);
 *
 * Call both functions in the thread that handles R, in any hook from pre_translate_name (when httpd
 * knows the virtual host of R) to log_transaction. They copy what they keep.
 */
#ifndef MOD_MERCURE_H
#define MOD_MERCURE_H

#include "apr_optional.h"
#include "httpd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An update. Set size to sizeof(mercure_update), and every member that you do not use to 0, but
 * retry_ms to -1. All text is UTF-8. The struct and everything that it points to remain the
 * caller's. */
typedef struct mercure_update {
    apr_size_t size;           /* sizeof(mercure_update): later versions add members at the end */
    const char *const *topics; /* at least one, then NULL; the first one is the canonical topic */
    const char *data;          /* data_len bytes; NULL: no data */
    apr_size_t data_len;
    const char *id;       /* NULL or empty: the hub makes one */
    const char *type;     /* the type of the event; NULL or empty: none */
    int is_private;       /* not 0: only subscribers whose token grants a topic receive it */
    apr_int64_t retry_ms; /* how long clients wait before they reconnect; < 0: none */
} mercure_update;

/*
 * Publishes UPDATE to the hub at HUB_PATH (the path of its <Location>) of the site of R, or, if
 * HUB_PATH is NULL, to the only hub of that site. The caller may publish on every topic outside the
 * hub's own namespace, without a token. The limits of the hub apply. May wait for the disk.
 *
 * APR_SUCCESS: the update is stored, and RET_ID, which may be NULL, gets its id, in R's pool.
 * APR_ENOENT: the site has no such hub, or has several. APR_EINVAL: the update is not valid, or
 * exceeds a limit. APR_EAGAIN and others: it is not stored, for a reason that may be temporary. The
 * error log says why at level info.
 */
APR_DECLARE_OPTIONAL_FN(apr_status_t, mercure_publish,
                        (request_rec * r, const char *hub_path, const mercure_update *update,
                         const char **ret_id));

/*
 * The URL of that hub for clients, in R's pool or in the configuration's; NULL if there is no such
 * hub, if the site has no key for it, or if there are several.
 */
APR_DECLARE_OPTIONAL_FN(const char *, mercure_hub_url, (request_rec * r, const char *hub_path));

#ifdef __cplusplus
}
#endif

#endif
