/*
 * The files of src/debugger, as the build makes them part of the module.
 */
#ifndef MRC_HTTPD_RESOURCE_DEBUGGER_FILES_H
#define MRC_HTTPD_RESOURCE_DEBUGGER_FILES_H

#include <stddef.h>

struct mrc_debugger_file {
    const char *name; /* index.html */
    const unsigned char *bytes;
    size_t len;
};

/* A NULL name ends it. */
extern const struct mrc_debugger_file mrc_debugger_files[];

#endif
