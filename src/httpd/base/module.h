/*
 * Declares the module record of mod_mercure.c for the rest of the layer.
 */
#ifndef MRC_HTTPD_BASE_MODULE_H
#define MRC_HTTPD_BASE_MODULE_H

#include "httpd.h"

#include "http_config.h"

extern module AP_MODULE_DECLARE_DATA mercure_module;

#endif
