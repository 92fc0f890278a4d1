#include "httpd/base/reload.h"

#include "http_core.h"

/* httpd reads the configuration once to check it, and once to start. */
#define START_GENERATION 1

bool mrc_reload_is_now(void)
{
    return ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL &&
           ap_state_query(AP_SQ_CONFIG_GEN) > START_GENERATION;
}
