/*
 * What can go wrong in the core: one enum, and a place for the reason in words.
 *
 * The core never logs. A function that refuses input says why in a struct mrc_error, if the caller
 * passes one; the caller decides who may read it. The text never holds a secret or a token.
 */
#ifndef MRC_CORE_BASE_ERR_H
#define MRC_CORE_BASE_ERR_H

enum mrc_err {
    MRC_OK = 0,
    MRC_ENOMEM,       /* out of memory */
    MRC_EINVAL,       /* the input breaks a rule */
    MRC_ELIMIT,       /* the input passes a limit that has a name */
    MRC_ENOTFOUND,    /* there is no such thing */
    MRC_EUNSUPPORTED, /* well-formed, but this build or this hub does not take it */
    MRC_EFULL,        /* there are as many already as there may be */
    MRC_EPENDING      /* cannot be told yet: something that is needed is still on its way */
};

#define MRC_ERROR_TEXT_BYTES 512

/* The reason of a refusal, for people; always terminated, cut when too long. Owned by the caller.
 */
struct mrc_error {
    char text[MRC_ERROR_TEXT_BYTES];
};

/* The general name of ERR; a constant, never NULL. */
const char *mrc_strerror(enum mrc_err err);

/*
 * Writes the reason into ERROR (which may be NULL) and returns CODE, so that a refusal is one
 * statement: return mrc_error_set(error, MRC_EINVAL, "…").
 */
enum mrc_err mrc_error_set(struct mrc_error *error, enum mrc_err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
