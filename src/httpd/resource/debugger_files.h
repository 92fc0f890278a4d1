/*
 * The files of src/debugger. The build generates debugger_files.c from them (src/debugger/embed).
 */
#ifndef MRC_HTTPD_RESOURCE_DEBUGGER_FILES_H
#define MRC_HTTPD_RESOURCE_DEBUGGER_FILES_H

#include <stddef.h>

struct mrc_debugger_file {
    const char *name; /* index.html */
    const unsigned char *bytes;
    size_t len;
};

/* The last element has no name. */
extern const struct mrc_debugger_file mrc_debugger_files[];

#endif
