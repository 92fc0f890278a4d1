/*
 * MercureDebugger: the page at HUB/debug/ and its parts.
 */
#ifndef MRC_HTTPD_RESOURCE_DEBUGGER_H
#define MRC_HTTPD_RESOURCE_DEBUGGER_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_claim;
struct mrc_settings;

/* Whether CLAIM is for the debugger of a hub that has one. */
bool mrc_debugger_is_at(const struct mrc_claim *claim, const struct mrc_settings *settings);

/* Answers R, a GET or HEAD of what mrc_debugger_is_at(); for the handler. */
int mrc_debugger_serve(request_rec *r, const struct mrc_claim *claim);

#endif
