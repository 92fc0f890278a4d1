/*
 * The machines of a hub, for operators: the list of those that share it, and questions to them. A
 * hub without a transport has one machine, this one.
 */
#ifndef MRC_HTTPD_OPERATOR_MACHINES_H
#define MRC_HTTPD_OPERATOR_MACHINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpd.h"

#include "core/base/bytes.h"
#include "httpd/operator/survey.h"

struct mrc_hub;
struct mrc_operator_call;

struct mrc_machine_name {
    uint64_t id;      /* the same on all machines, and the order of the list */
    const char *name; /* NULL: this machine */
};

struct mrc_machine_list {
    struct mrc_machine_name *names;
    size_t count;
    size_t known;        /* how many there are, as far as this machine knows */
    bool is_shared;      /* the hub has a transport */
    bool is_unreachable; /* the others cannot be asked, and are not listed */
};

/* Lists the machines of HUB; the list lives in POOL. */
void mrc_machines_list(apr_pool_t *pool, const struct mrc_hub *hub,
                       struct mrc_machine_list *ret_list);

/* Asks QUESTION of the machine at I of LIST, or of all others if I is SIZE_MAX, for a limited time.
 * See mrc_survey(). Returns how many did not answer. */
size_t mrc_machines_ask(apr_pool_t *pool, const struct mrc_hub *hub, struct mrc_machine_list *list,
                        size_t i, struct mrc_bytes question, mrc_survey_fn *fn, void *ctx);

/* Writes to the error log that CALL shows this machine alone. */
void mrc_machines_log_unreachable(const struct mrc_operator_call *call);

#endif
