/*
 * The hub in httpd's life: what happens when the configuration is read, when children start and
 * end, and when the server stops. The hooks, in the order in which they run.
 */
#ifndef MRC_HTTPD_LIFE_LIFECYCLE_H
#define MRC_HTTPD_LIFE_LIFECYCLE_H

#include <stdbool.h>

#include "httpd.h"

#include "ap_mpm.h"

struct mrc_jobs;
struct mrc_mod_http2;
struct mrc_keyring;
struct mrc_interned_table;
struct mrc_log_fields;
struct mrc_child;
struct mrc_sizing;
struct mrc_token_cache;

/* When the module is loaded: what it has made is to be removed when the server ends. */
void mrc_lifecycle_register(apr_pool_t *pconf);

/* check_config: finds and checks the hubs. Creates nothing; configtest ends here. */
int mrc_lifecycle_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                               server_rec *main_server);

/* post_config, in the parent: makes the shared memory, or fits it to a reloaded configuration. */
int mrc_lifecycle_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                              server_rec *main_server);

/* child_init: the child takes its slot and opens the hubs. */
void mrc_lifecycle_child_init(apr_pool_t *pchild, server_rec *main_server);

/* child_stopping, in a child: all streams are to end. From prefork's signal handler, too, where no
 * stream is over HTTP/2 and nothing is waited for. */
void mrc_lifecycle_child_stopping(apr_pool_t *pchild, int graceful);

/* child_status, in the parent: a child has ended; what it left is for the living to fold. */
void mrc_lifecycle_child_status(server_rec *server, pid_t pid, ap_generation_t generation, int slot,
                                mpm_child_status status);

/* This child's part of the hubs; NULL in the parent, and in a child that got no slot. */
struct mrc_child *mrc_lifecycle_child(void);

/* The keys that count in this child; NULL where there is no process. */
struct mrc_keyring *mrc_lifecycle_keyring(void);

/* This child's verified tokens; NULL where there is no process. */
struct mrc_token_cache *mrc_lifecycle_tokens(void);

/* Its HTTP/2 connections with streams; only where there is a process. */
struct mrc_mod_http2 *mrc_lifecycle_mod_http2(void);

/* How many streams it may hold; only where there is a process. */
const struct mrc_sizing *mrc_lifecycle_sizing(void);

/* Whether other threads than httpd's own may write access logs; only where there is a process. */
bool mrc_lifecycle_may_log_anywhere(void);

/* What is to be kept of requests for the access logs; only where there is a process. */
const struct mrc_log_fields *mrc_lifecycle_log_fields(void);

/* What several of these requests have in common; only where there is a process. */
struct mrc_interned_table *mrc_lifecycle_log_texts(void);

/* Who does what a dispatcher must not wait for; only where there is a process. */
struct mrc_jobs *mrc_lifecycle_jobs(void);

/* Whether this child serves on: false once it is to end, however the MPM tells it so. */
int mrc_lifecycle_is_serving(void);

#endif
