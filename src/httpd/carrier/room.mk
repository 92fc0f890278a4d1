mod_mercure_la_SOURCES += \
	%D%/choose.c %D%/choose.h \
	%D%/detached.c %D%/detached.h \
	%D%/event_bucket.c %D%/event_bucket.h \
	%D%/lean.c %D%/lean.h \
	%D%/mod_http2.c %D%/mod_http2.h \
	%D%/push.c %D%/push.h \
	%D%/suspended.c %D%/suspended.h \
	%D%/threaded.c %D%/threaded.h

EXTRA_DIST += %D%/README.md
