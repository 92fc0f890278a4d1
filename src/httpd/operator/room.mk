mod_mercure_la_SOURCES += \
	%D%/call.h \
	%D%/operator.c %D%/operator.h \
	%D%/disconnect.c %D%/disconnect.h \
	%D%/fields.c %D%/fields.h \
	%D%/revocations.c %D%/revocations.h \
	%D%/revoke.c %D%/revoke.h \
	%D%/stats.c %D%/stats.h \
	%D%/streams.c %D%/streams.h

EXTRA_DIST += %D%/README.md
