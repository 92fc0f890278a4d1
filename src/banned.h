/*
 * Turns the use of error-prone functions into a compiler error. Every file of the project is
 * compiled with `-include banned.h`. The system's headers are included first, so that they may
 * declare the functions.
 */
#ifndef MRC_BANNED_H
#define MRC_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MRC_BANNED(name) mrc_banned_##name

#undef sprintf
#define sprintf(...) MRC_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) MRC_BANNED(vsprintf)
#undef strcpy
#define strcpy(dst, src) MRC_BANNED(strcpy)
#undef strcat
#define strcat(dst, src) MRC_BANNED(strcat)
#undef strncpy
#define strncpy(dst, src, n) MRC_BANNED(strncpy)
#undef strncat
#define strncat(dst, src, n) MRC_BANNED(strncat)
#undef strtok
#define strtok(s, delim) MRC_BANNED(strtok)
#undef atoi
#define atoi(s) MRC_BANNED(atoi)
#undef atol
#define atol(s) MRC_BANNED(atol)
#undef atoll
#define atoll(s) MRC_BANNED(atoll)
#undef rand
#define rand() MRC_BANNED(rand)
#undef gmtime
#define gmtime(t) MRC_BANNED(gmtime)
#undef localtime
#define localtime(t) MRC_BANNED(localtime)
#undef ctime
#define ctime(t) MRC_BANNED(ctime)
#undef asctime
#define asctime(tm) MRC_BANNED(asctime)

#endif
