/*
 * The error codes of the core, and a place for the reason in words.
 *
 * The core never logs. A function that refuses its input writes the reason to a struct mrc_error if
 * the caller passes one. The caller decides who may read it. The text never holds a secret or a
 * token.
 */
#ifndef MRC_CORE_BASE_ERR_H
#define MRC_CORE_BASE_ERR_H

enum mrc_err {
    MRC_OK = 0,
    MRC_ENOMEM,       /* out of memory */
    MRC_EINVAL,       /* the input breaks a rule */
    MRC_ELIMIT,       /* the input exceeds a named limit */
    MRC_ENOTFOUND,    /* nothing has this name */
    MRC_EUNSUPPORTED, /* well-formed, but this build or this hub does not support it */
    MRC_EFULL,        /* the maximum number is reached */
    MRC_EPENDING      /* not known yet: something that is needed has not arrived */
};

#define MRC_ERROR_TEXT_BYTES 512

/* The reason for a refusal, in words: always terminated, and cut off when it is too long. */
struct mrc_error {
    char text[MRC_ERROR_TEXT_BYTES];
};

/* A short description of ERR: a constant, never NULL. */
const char *mrc_strerror(enum mrc_err err);

/*
 * Writes the reason to ERROR, which may be NULL, and returns CODE. So a refusal is one statement:
 * return mrc_error_set(error, MRC_EINVAL, "…").
 */
enum mrc_err mrc_error_set(struct mrc_error *error, enum mrc_err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
