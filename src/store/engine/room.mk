libmrcstore_la_SOURCES += \
	%D%/engine.c %D%/engine.h \
	%D%/entry.c %D%/entry.h

REDIS_SOURCES = \
	%D%/ask.h \
	%D%/asks.c %D%/asks.h \
	%D%/commands.c \
	%D%/locate.c %D%/locate.h \
	%D%/lookup.c %D%/lookup.h \
	%D%/login.c %D%/login.h \
	%D%/redis.c %D%/redis.h %D%/redis_internal.h \
	%D%/registry.c %D%/registry.h \
	%D%/reply.c %D%/reply.h \
	%D%/resp.c %D%/resp.h \
	%D%/scripts.h %D%/sides.h \
	%D%/tls.c %D%/tls.h \
	%D%/wire.c %D%/wire.h
EXTRA_libmrcstore_la_SOURCES += $(REDIS_SOURCES)

ENGINE_LUA = \
	%D%/scripts/beat.lua \
	%D%/scripts/enter.lua \
	%D%/scripts/join.lua \
	%D%/scripts/publish.lua \
	%D%/scripts/reap.lua
%D%/scripts.c: $(ENGINE_LUA) %D%/scripts/embed
	$(AM_V_GEN)$(MKDIR_P) %D%
	$(AM_V_at)abs=`pwd` && cd $(srcdir) && %D%/scripts/embed $(ENGINE_LUA) >$$abs/$@.new
	$(AM_V_at)mv $@.new $@
CLEANFILES += %D%/scripts.c
if HAVE_HIREDIS
libmrcstore_la_SOURCES += $(REDIS_SOURCES)
nodist_libmrcstore_la_SOURCES = %D%/scripts.c
unit_tests += \
	tests/unit/store/engine/test_locate \
	tests/unit/store/engine/test_lookup \
	tests/unit/store/engine/test_no_memory \
	tests/unit/store/engine/test_redis \
	tests/unit/store/engine/test_resp
endif
tests_unit_store_engine_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS) -Wl,--wrap=redisReaderCreate \
	-Wl,--wrap=redisReaderFeed -Wl,--wrap=getaddrinfo -Wl,--wrap=SSL_CTX_new -Wl,--wrap=SSL_new
unit_tests += tests/unit/store/engine/test_entry

EXTRA_DIST += %D%/README.md $(ENGINE_LUA) %D%/scripts/README.md %D%/scripts/embed tests/unit/store/engine/redis_unit.h
