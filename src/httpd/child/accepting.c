#include "httpd/child/accepting.h"

#include <stdbool.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "scoreboard.h"

/* The listener thread does not wait for the time of a callback, so it must have passed. */
#define AT_ONCE (-apr_time_from_sec(1))

/* The version counts at run time: httpd may be newer than the one that the module was built for. */
static bool is_needed(void)
{
    ap_version_t version;

    ap_get_server_revision(&version);
    return version.major == 2 && version.minor == 4 && version.patch < 53;
}

/* Whether the listener thread of this process accepts connections. */
static bool is_accepting(void)
{
    const process_score *process;
    pid_t pid = getpid();

    for (int child = 0; (process = ap_get_scoreboard_process(child)); child++) {
        if (process->pid == pid)
            return !process->not_accepting;
    }
    return true;
}

static void do_nothing(void *unused)
{
    (void)unused;
}

static void wake_listener(void *unused)
{
    (void)unused;
    if (!is_accepting())
        ap_mpm_register_timed_callback(AT_ONCE, do_nothing, NULL);
}

void mrc_accepting_suspend_connection(conn_rec *c, request_rec *r)
{
    (void)r;
    if (c->cs && c->cs->state == CONN_STATE_SUSPENDED && is_needed())
        ap_mpm_register_timed_callback(AT_ONCE, wake_listener, NULL);
}
