#include "core/pattern/template.h"

#include "core/base/buf.h"

/* An upper bound of operations in bytes per byte of a template: see add_loop(), add_encoded(). */
#define OPS_BYTES_PER_BYTE 64

/* ---- sets of bytes ----------------------------------------------------------------------------*/

enum {
    SET_VALUE = 1,    /* unreserved characters, and the comma of a list */
    SET_EQUALS = 2,   /* the = after a name */
    SET_RESERVED = 4, /* reserved characters */
    SET_HEX = 8,      /* hexadecimal digits */
    SET_NAME = 16     /* the name of a variable, except for . and %XX */
};

#define DIGIT   (SET_VALUE | SET_HEX | SET_NAME)
#define LETTER  (SET_VALUE | SET_NAME)
#define HEXCHAR (LETTER | SET_HEX)

/* RFC 3986, 2.2 and 2.3. The comma is reserved, and separates the values of a list. */
static const uint8_t sets[256] = {
    ['!'] = SET_RESERVED,
    ['#'] = SET_RESERVED,
    ['$'] = SET_RESERVED,
    ['&' ... '+'] = SET_RESERVED,
    [','] = SET_RESERVED | SET_VALUE,
    ['-'] = SET_VALUE,
    ['.'] = SET_VALUE,
    ['/'] = SET_RESERVED,
    ['0' ... '9'] = DIGIT,
    [':'] = SET_RESERVED,
    [';'] = SET_RESERVED,
    ['='] = SET_RESERVED | SET_EQUALS,
    ['?'] = SET_RESERVED,
    ['@'] = SET_RESERVED,
    ['A' ... 'F'] = HEXCHAR,
    ['G' ... 'Z'] = LETTER,
    ['['] = SET_RESERVED,
    [']'] = SET_RESERVED,
    ['_'] = LETTER,
    ['a' ... 'f'] = HEXCHAR,
    ['g' ... 'z'] = LETTER,
    ['~'] = SET_VALUE,
};

static bool is_in(struct mrc_bytes text, size_t at, unsigned set)
{
    return at < text.len && (sets[(unsigned char)text.ptr[at]] & set);
}

static bool is_char(struct mrc_bytes text, size_t at, char c)
{
    return at < text.len && text.ptr[at] == c;
}

static bool is_encoded(struct mrc_bytes text, size_t at)
{
    return is_char(text, at, '%') && is_in(text, at + 1, SET_HEX) && is_in(text, at + 2, SET_HEX);
}

/* ---- operations -------------------------------------------------------------------------------*/

struct compiler {
    struct mrc_bytes text;
    size_t at;          /* in the text */
    struct mrc_buf ops; /* of struct mrc_op */
    struct mrc_error *error;
};

static size_t count_ops(const struct compiler *compiler)
{
    return compiler->ops.len / sizeof(struct mrc_op);
}

/* Appends an operation and returns its index. */
static size_t emit(struct compiler *compiler, enum mrc_op_code code, unsigned arg, size_t to)
{
    struct mrc_op op = {.to = (uint32_t)to, .code = (uint8_t)code, .arg = (uint8_t)arg};

    mrc_buf_add(&compiler->ops, &op, sizeof(op));
    return count_ops(compiler) - 1;
}

/* Makes the operation OP continue after the last one. */
static void land(struct compiler *compiler, size_t op)
{
    if (!mrc_buf_error(&compiler->ops))
        ((struct mrc_op *)compiler->ops.ptr)[op].to = (uint32_t)count_ops(compiler);
}

/* Appends a loop over bytes of the sets ALLOWED and over %XX. */
static void add_loop(struct compiler *compiler, unsigned allowed)
{
    size_t start = emit(compiler, MRC_OP_STAR, allowed, 0);
    size_t split = emit(compiler, MRC_OP_SPLIT, 0, 0);

    emit(compiler, MRC_OP_CHAR, '%', 0);
    emit(compiler, MRC_OP_SET, SET_HEX, 0);
    emit(compiler, MRC_OP_SET, SET_HEX, 0);
    emit(compiler, MRC_OP_JUMP, 0, start);
    land(compiler, split);
}

/* Appends a byte that is not ASCII, as itself or percent-encoded. */
static void add_encoded(struct compiler *compiler, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t split = emit(compiler, MRC_OP_SPLIT, 0, 0), jump;

    emit(compiler, MRC_OP_CHAR, byte, 0);
    jump = emit(compiler, MRC_OP_JUMP, 0, 0);
    land(compiler, split);
    emit(compiler, MRC_OP_CHAR, '%', 0);
    emit(compiler, MRC_OP_CHAR, (unsigned char)digits[byte >> 4], 0);
    emit(compiler, MRC_OP_CHAR, (unsigned char)digits[byte & 15], 0);
    land(compiler, jump);
}

/* ---- expressions ------------------------------------------------------------------------------*/

/* The properties of an operator (RFC 6570, appendix A). */
struct kind {
    char name, prefix, separator;
    unsigned allowed;
};

#define RESERVED (SET_VALUE | SET_EQUALS | SET_RESERVED)
#define NAMED    (SET_VALUE | SET_EQUALS)

static const struct kind kinds[] = {
    {'+', 0, ',', RESERVED},    {'#', '#', ',', RESERVED}, {'.', '.', '.', SET_VALUE},
    {'/', '/', '/', SET_VALUE}, {';', ';', ';', NAMED},    {'?', '?', '&', NAMED},
    {'&', '&', '&', NAMED},
};

static const struct kind simple = {0, 0, ',', SET_VALUE};

struct expression {
    const struct kind *kind;
    size_t count; /* of variables */
    bool first_explodes, some_explodes;
};

static enum mrc_err refuse(const struct compiler *compiler, const char *what)
{
    return mrc_error_set(compiler->error, MRC_EINVAL, "not a URI template: %s at byte %zu", what,
                         compiler->at + 1);
}

/* Reads the name of a variable: characters and %XX, with single dots between them. */
static enum mrc_err read_name(struct compiler *compiler)
{
    bool is_begun = false;

    for (;;) {
        if (is_in(compiler->text, compiler->at, SET_NAME))
            compiler->at++;
        else if (is_encoded(compiler->text, compiler->at))
            compiler->at += 3;
        else if (!is_begun)
            return refuse(compiler, "the name of a variable is missing");
        else if (is_char(compiler->text, compiler->at, '.'))
            compiler->at++;
        else
            return MRC_OK;
        is_begun = compiler->text.ptr[compiler->at - 1] != '.';
    }
}

/* Reads the modifier after a name: `*`, or a length of 1 to 9999, or nothing. */
static enum mrc_err read_modifier(struct compiler *compiler, bool *ret_explodes)
{
    size_t digits = 0;

    *ret_explodes = is_char(compiler->text, compiler->at, '*');
    if (*ret_explodes)
        compiler->at++;
    if (*ret_explodes || !is_char(compiler->text, compiler->at, ':'))
        return MRC_OK;
    compiler->at++;
    if (is_char(compiler->text, compiler->at, '0'))
        return refuse(compiler, "a length must be 1 to 9999");
    for (; compiler->at < compiler->text.len; compiler->at++, digits++) {
        char c = compiler->text.ptr[compiler->at];

        if (c < '0' || c > '9')
            break;
    }
    return digits >= 1 && digits <= 4 ? MRC_OK : refuse(compiler, "a length must be 1 to 9999");
}

static const struct kind *read_operator(struct compiler *compiler)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (is_char(compiler->text, compiler->at, kinds[i].name)) {
            compiler->at++;
            return &kinds[i];
        }
    }
    return &simple;
}

/* Appends the values after the first one, each of which may be the last. */
static void add_others(struct compiler *compiler, const struct expression *expression,
                       unsigned allowed)
{
    size_t count = expression->some_explodes ? 1 : expression->count - 1;
    size_t first = count_ops(compiler), size = 0;

    for (size_t i = 0; i < count; i++) {
        emit(compiler, MRC_OP_SPLIT, 0, 0);
        emit(compiler, MRC_OP_CHAR, (unsigned char)expression->kind->separator, 0);
        add_loop(compiler, allowed);
        if (expression->some_explodes)
            emit(compiler, MRC_OP_JUMP, 0, first);
        size = (count_ops(compiler) - first) / (i + 1);
    }
    for (size_t i = 0; i < count; i++)
        land(compiler, first + i * size);
}

static void add_expression(struct compiler *compiler, const struct expression *expression)
{
    const struct kind *kind = expression->kind;
    unsigned first = kind->allowed | (expression->first_explodes ? SET_EQUALS : 0);
    unsigned others = kind->allowed | (expression->some_explodes ? SET_EQUALS : 0);
    bool is_one_run = first == others && (sets[(unsigned char)kind->separator] & others);
    size_t skip = 0;

    if (kind->prefix) {
        skip = emit(compiler, MRC_OP_SPLIT, 0, 0);
        emit(compiler, MRC_OP_CHAR, (unsigned char)kind->prefix, 0);
    }
    add_loop(compiler, first);
    if (!is_one_run)
        add_others(compiler, expression, others);
    if (kind->prefix)
        land(compiler, skip);
}

/* Compiles an expression; its `{` has been read. */
static enum mrc_err compile_expression(struct compiler *compiler)
{
    struct expression expression = {.kind = read_operator(compiler)};

    for (;;) {
        bool explodes;
        enum mrc_err err = read_name(compiler);

        if (!err)
            err = read_modifier(compiler, &explodes);
        if (err)
            return err;
        expression.first_explodes |= explodes && !expression.count;
        expression.some_explodes |= explodes;
        expression.count++;
        if (!is_char(compiler->text, compiler->at, ','))
            break;
        compiler->at++;
    }
    if (!is_char(compiler->text, compiler->at, '}'))
        return refuse(compiler, "a comma or a closing brace is missing");
    compiler->at++;
    add_expression(compiler, &expression);
    return MRC_OK;
}

/* ---- templates --------------------------------------------------------------------------------*/

/* Compiles a character outside expressions (RFC 6570, 2.1, with the ' of its erratum 6937). */
static enum mrc_err compile_literal(struct compiler *compiler)
{
    unsigned char c = (unsigned char)compiler->text.ptr[compiler->at];

    if (c >= 0x80) {
        add_encoded(compiler, c);
        compiler->at++;
        return MRC_OK;
    }
    if (c == '%' && !is_encoded(compiler->text, compiler->at))
        return refuse(compiler, "% needs two hexadecimal digits");
    if (c <= ' ' || c == 0x7F || strchr("\"<>\\^`{|}", c))
        return refuse(compiler, "a character is not percent-encoded");
    emit(compiler, MRC_OP_CHAR, c, 0);
    compiler->at++;
    return MRC_OK;
}

enum mrc_err mrc_template_compile(struct mrc_bytes text, struct mrc_error *error,
                                  struct mrc_automaton **ret_template)
{
    const struct mrc_automaton_terms terms = {.sets = sets};
    struct compiler compiler = {.text = text, .error = error};
    enum mrc_err err = MRC_OK;

    if (text.len > MRC_TEMPLATE_MAX_BYTES)
        return mrc_error_set(error, MRC_ELIMIT, "a URI template has at most %d bytes",
                             MRC_TEMPLATE_MAX_BYTES);
    mrc_buf_init(&compiler.ops, text.len * OPS_BYTES_PER_BYTE);
    while (!err && compiler.at < text.len) {
        if (text.ptr[compiler.at] != '{') {
            err = compile_literal(&compiler);
            continue;
        }
        compiler.at++;
        err = compile_expression(&compiler);
    }
    if (!err)
        err = mrc_buf_error(&compiler.ops);
    if (!err)
        err = mrc_automaton_create((const struct mrc_op *)compiler.ops.ptr, count_ops(&compiler),
                                   terms, ret_template);
    mrc_buf_free(&compiler.ops);
    return err;
}
