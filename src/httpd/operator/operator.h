/*
 * The resources of the hub's operators, below HUB/control/. Every call needs a token of a
 * MercureControlKey, and writes one line to the error log at level notice.
 */
#ifndef MRC_HTTPD_OPERATOR_OPERATOR_H
#define MRC_HTTPD_OPERATOR_OPERATOR_H

#include "httpd.h"

struct mrc_claim;
struct mrc_location_settings;

enum mrc_operator_kind {
    MRC_OPERATOR_NONE,   /* there is no such resource, or the Location has no MercureControlKey */
    MRC_OPERATOR_ACTION, /* POST */
    MRC_OPERATOR_LIST,   /* GET */
    MRC_OPERATOR_ITEM    /* DELETE */
};

/* The kind of the resource that CLAIM names. */
enum mrc_operator_kind mrc_operator_find(const struct mrc_claim *claim,
                                         const struct mrc_location_settings *settings);

/* Serves R, which names a resource with the method of its kind. Returns the value for the handler
 * to return. */
int mrc_operator_serve(request_rec *r, const struct mrc_claim *claim);

#endif
