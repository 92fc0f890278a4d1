#include "core/token/memo.h"

#include <stdlib.h>
#include <string.h>

struct mrc_token_memo {
    struct mrc_token *token; /* one reference */
    size_t scope_len, text_len;
    char bytes[]; /* the scope, then the text */
};

struct mrc_token_memo *mrc_token_memo_create(struct mrc_bytes scope, struct mrc_bytes text,
                                             struct mrc_token *token)
{
    struct mrc_token_memo *memo;

    if (scope.len > MRC_TOKEN_MEMO_MAX_BYTES || text.len > MRC_TOKEN_MEMO_MAX_BYTES - scope.len)
        return NULL;
    memo = malloc(sizeof(*memo) + scope.len + text.len);
    if (!memo)
        return NULL;
    memo->token = mrc_token_ref(token);
    memo->scope_len = scope.len;
    memo->text_len = text.len;
    memcpy(memo->bytes, scope.ptr, scope.len);
    memcpy(memo->bytes + scope.len, text.ptr, text.len);
    return memo;
}

void mrc_token_memo_free(struct mrc_token_memo *memo)
{
    if (!memo)
        return;
    mrc_token_unref(memo->token);
    free(memo);
}

/* Looks at all bytes, eight at a time: CRYPTO_memcmp() takes them one by one. */
static bool is_same(const char *a, const char *b, size_t len)
{
    uint64_t difference = 0, one, other;
    size_t i = 0;

    for (; len - i >= sizeof(one); i += sizeof(one)) {
        memcpy(&one, a + i, sizeof(one));
        memcpy(&other, b + i, sizeof(other));
        difference |= one ^ other;
    }
    for (; i < len; i++)
        difference |= (unsigned char)a[i] ^ (unsigned char)b[i];
    return !difference;
}

struct mrc_token *mrc_token_memo_find(const struct mrc_token_memo *memo, struct mrc_bytes scope,
                                      struct mrc_bytes text, int64_t now_us)
{
    if (!memo || memo->scope_len != scope.len || memo->text_len != text.len ||
        memcmp(memo->bytes, scope.ptr, scope.len) != 0 ||
        !is_same(memo->bytes + scope.len, text.ptr, text.len) ||
        mrc_token_get_exp_us(memo->token) <= now_us)
        return NULL;
    return mrc_token_ref(memo->token);
}
