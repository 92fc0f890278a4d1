/* The functions of include/mod_mercure.h, for other modules. */
#ifndef MRC_HTTPD_INSIDE_API_H
#define MRC_HTTPD_INSIDE_API_H

#include "mod_mercure.h"

/* Publishes as mercure_publish() does. On failure, RET_WHY is the reason in words, in R's pool or
 * constant. */
apr_status_t mrc_api_publish(request_rec *r, const char *hub_path, const mercure_update *update,
                             const char **ret_id, const char **ret_why);

/* Registers the optional functions. When the module is loaded. */
void mrc_api_register(void);

#endif
