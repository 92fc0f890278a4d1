/*
 * The names of the files in the directory of a durable history: history-N.mdb, of which the highest
 * N is used.
 */
#ifndef MRC_STORE_LMDB_FILES_H
#define MRC_STORE_LMDB_FILES_H

#include <stdbool.h>

#define MRC_HISTORY_FILES_PATH_BYTES 4096

/* RET_NEWEST: the N of the newest file in DIR; 0: there is no file. Returns 0 or an errno. */
int mrc_history_files_find(const char *dir, unsigned *ret_newest);

/* The same; 0 if DIR cannot be read. */
unsigned mrc_history_files_newest(const char *dir);

/* Writes the path of file number N in DIR, followed by MORE. False: the path is too long. */
bool mrc_history_files_path(const char *dir, unsigned n, const char *more,
                            char ret_path[MRC_HISTORY_FILES_PATH_BYTES]);

#endif
