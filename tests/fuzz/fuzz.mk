# Each fuzz target runs on its seeds in `make check`, and with arguments on other files.
fuzz_replays = \
	%D%/replay_batch \
	%D%/replay_form \
	%D%/replay_head_text \
	%D%/replay_jwks \
	%D%/replay_order \
	%D%/replay_question \
	%D%/replay_ring \
	%D%/replay_subscription \
	%D%/replay_template \
	%D%/replay_token \
	%D%/replay_update \
	%D%/replay_url \
	%D%/replay_urlpattern

# Targets with seeds in a folder.
%C%_replay_jwks_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_SEEDS=\"$(abs_top_srcdir)/%D%/jwks.seeds\"
%C%_replay_jwks_SOURCES = %D%/fuzz_jwks.c %D%/replay.c
%C%_replay_token_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_SEEDS=\"$(abs_top_srcdir)/%D%/token.seeds\"
%C%_replay_token_SOURCES = %D%/fuzz_token.c %D%/replay.c

%C%_replay_head_text_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_SEEDS=\"$(abs_top_srcdir)/%D%/head_text.seeds\"
%C%_replay_head_text_SOURCES = %D%/fuzz_head_text.c %D%/fuzz.h %D%/replay.c \
	src/httpd/exchange/head_text.c src/httpd/exchange/fields.c

%C%_replay_order_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_SEEDS=\"$(abs_top_srcdir)/%D%/order.seeds\"
%C%_replay_order_SOURCES = %D%/fuzz_order.c %D%/fuzz.h %D%/replay.c

%C%_replay_question_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_SEEDS=\"$(abs_top_srcdir)/%D%/question.seeds\"
%C%_replay_question_SOURCES = %D%/fuzz_question.c %D%/fuzz.h %D%/replay.c src/httpd/operator/question.c

%C%_replay_ring_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_SEEDS=\"$(abs_top_srcdir)/%D%/ring.seeds\"
%C%_replay_ring_SOURCES = %D%/fuzz_ring.c %D%/fuzz.h %D%/replay.c

# Targets with seeds from the vectors, and mutations of them.
VECTOR_REPLAY = %D%/replay_vectors.c %D%/fuzz.h
%C%_replay_batch_SOURCES = %D%/fuzz_batch.c $(VECTOR_REPLAY)
%C%_replay_form_SOURCES = %D%/fuzz_form.c $(VECTOR_REPLAY)
%C%_replay_subscription_SOURCES = %D%/fuzz_subscription.c $(VECTOR_REPLAY)
%C%_replay_template_SOURCES = %D%/fuzz_template.c $(VECTOR_REPLAY)
%C%_replay_update_SOURCES = %D%/fuzz_update.c $(VECTOR_REPLAY)
%C%_replay_url_SOURCES = %D%/fuzz_url.c $(VECTOR_REPLAY)
%C%_replay_urlpattern_SOURCES = %D%/fuzz_urlpattern.c $(VECTOR_REPLAY)

# What a Redis server sends.
if HAVE_HIREDIS
fuzz_replays += %D%/replay_reply
endif
%C%_replay_reply_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_SEEDS=\"$(abs_top_srcdir)/%D%/reply.seeds\"
%C%_replay_reply_SOURCES = %D%/fuzz_reply.c %D%/replay.c

# The units of the module that make up a session. The target has what surrounds them.
if HAVE_HTTP2
fuzz_replays += %D%/replay_http2
%C%_replay_http2_SOURCES = %D%/fuzz_http2.c $(VECTOR_REPLAY) \
	src/httpd/exchange/exchange.c src/httpd/exchange/fields.c src/httpd/exchange/queue.c \
	src/httpd/exchange/priority_field.c src/httpd/http2/input.c src/httpd/http2/limits.c \
	src/httpd/http2/output.c src/httpd/http2/priority.c src/httpd/http2/session.c \
	src/httpd/http2/stream.c
%C%_replay_http2_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS) $(NGHTTP2_CFLAGS)
%C%_replay_http2_LDFLAGS = $(LINK_FAILING_ALLOC)
%C%_replay_http2_LDADD = $(LDADD) $(NGHTTP2_LIBS)
else
EXTRA_DIST += %D%/fuzz_http2.c
endif
