#include "store/lmdb/files.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define PREFIX     "history-"
#define SUFFIX     ".mdb"
#define DIGITS_MAX 8

/* The N of a file with this NAME; 0: it is not the name of a history. */
static unsigned number_of(const char *name)
{
    unsigned n = 0;
    size_t digits;

    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return 0;
    name += strlen(PREFIX);
    digits = strspn(name, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX || name[0] == '0' || strcmp(name + digits, SUFFIX) != 0)
        return 0;
    for (size_t i = 0; i < digits; i++)
        n = n * 10 + (unsigned)(name[i] - '0');
    return n;
}

int mrc_history_files_find(const char *dir, unsigned *ret_newest)
{
    DIR *files = opendir(dir);
    unsigned newest = 0;
    struct dirent *entry;
    int err;

    if (!files)
        return errno;
    for (errno = 0; (entry = readdir(files)); errno = 0) {
        unsigned n = number_of(entry->d_name);

        if (n > newest)
            newest = n;
    }
    err = errno;
    closedir(files);
    if (!err)
        *ret_newest = newest;
    return err;
}

unsigned mrc_history_files_newest(const char *dir)
{
    unsigned newest;

    return mrc_history_files_find(dir, &newest) ? 0 : newest;
}

bool mrc_history_files_path(const char *dir, unsigned n, const char *more,
                            char ret_path[MRC_HISTORY_FILES_PATH_BYTES])
{
    int len = snprintf(ret_path, MRC_HISTORY_FILES_PATH_BYTES, "%s/" PREFIX "%u" SUFFIX "%s", dir,
                       n, more);

    return len > 0 && len < MRC_HISTORY_FILES_PATH_BYTES;
}
