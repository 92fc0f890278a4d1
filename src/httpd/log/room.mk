mod_mercure_la_SOURCES += \
	%D%/fields.c %D%/fields.h \
	%D%/hooks.c %D%/hooks.h \
	%D%/record.c %D%/record.h \
	%D%/stream_end.c %D%/stream_end.h \
	%D%/variables.c %D%/variables.h

EXTRA_DIST += %D%/README.md
