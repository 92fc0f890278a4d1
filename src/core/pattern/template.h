/*
 * URI templates (RFC 6570, all four levels) as matchers of topics, for `topic=` and the claim
 * `mercure` of protocol 0.x.
 *
 * The RFC defines what a template expands to, but not what matches it. Here a topic matches if it
 * could be an expansion for some values of the variables. Only the characters decide:
 *
 *     expression          an optional prefix of the operator, followed by any number of
 *     {x}  {.x}  {/x}     unreserved  ,  %XX         with the modifier * also =
 *     {;x} {?x}  {&x}     unreserved  ,  =  %XX
 *     {+x} {#x}           unreserved  reserved  %XX
 *
 * Without its prefix an expression is empty. A list of N variables may have N - 1 separators beyond
 * those characters, and with an explode modifier any number of them. Names before `=` and lengths
 * (`:3`) are not compared. The deployed hubs do the same, and clients rely on it, for example on
 * expressions that may be empty.
 *
 * Text between expressions is compared byte by byte. Text that is not ASCII matches itself and its
 * percent-encoding, which it expands to.
 */
#ifndef MRC_CORE_PATTERN_TEMPLATE_H
#define MRC_CORE_PATTERN_TEMPLATE_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/pattern/automaton.h"

/* The longest template. The hub's limit is lower. */
#define MRC_TEMPLATE_MAX_BYTES 65536

/*
 * Compiles TEXT, which is valid UTF-8 and is not kept. MRC_EINVAL with the reason in ERROR if it is
 * not a template; MRC_ELIMIT; MRC_ENOMEM. The caller frees RET_TEMPLATE.
 */
enum mrc_err mrc_template_compile(struct mrc_bytes text, struct mrc_error *error,
                                  struct mrc_automaton **ret_template);

#endif
