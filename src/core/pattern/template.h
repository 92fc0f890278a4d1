/*
 * URI templates (RFC 6570, all four levels) as matchers of topics: what `topic=` and the claim
 * `mercure` of protocol 0.x mean by them.
 *
 * The specification says what a template expands to, not what matches it. Here a topic matches if
 * it could be an expansion of some values, judged by its characters alone:
 *
 *     expression          its prefix (once, or the whole expression is empty), then any of
 *     {x}  {.x}  {/x}     unreserved  ,  %XX         `=` too, where names are written: ; ? & and *
 *     {;x} {?x}  {&x}     unreserved  ,  =  %XX
 *     {+x} {#x}           unreserved  reserved  %XX
 *
 * A list of N variables has at most N - 1 separators beyond those characters, and any number with
 * an explode modifier. Names before `=`, and lengths (`:3`), are not compared. This is what the
 * deployed hubs do, and clients count on it; that an expression may be empty, for one.
 *
 * Text between expressions is compared byte by byte; non-ASCII text matches itself and its
 * percent-encoding, to which it expands.
 */
#ifndef MRC_CORE_PATTERN_TEMPLATE_H
#define MRC_CORE_PATTERN_TEMPLATE_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/pattern/automaton.h"

/* The longest template; the hub has a limit far below. */
#define MRC_TEMPLATE_MAX_BYTES 65536

/*
 * Compiles TEXT, which is valid UTF-8 and not kept. MRC_EINVAL with the reason in ERROR if it is no
 * template; MRC_ELIMIT; MRC_ENOMEM. The caller frees RET_TEMPLATE.
 */
enum mrc_err mrc_template_compile(struct mrc_bytes text, struct mrc_error *error,
                                  struct mrc_automaton **ret_template);

#endif
