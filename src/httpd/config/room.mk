mod_mercure_la_SOURCES += \
	%D%/check.c %D%/check.h \
	%D%/directive_table.c %D%/directive_table.h %D%/directive_table.def \
	%D%/directives.c %D%/directives.h \
	%D%/hubs.c %D%/hubs.h \
	%D%/key_sources.c %D%/key_sources.h \
	%D%/origin.c %D%/origin.h \
	%D%/playground_key.c %D%/playground_key.h \
	%D%/settings.c %D%/settings.h \
	%D%/shape.c %D%/shape.h \
	%D%/sizing.c %D%/sizing.h \
	%D%/warnings.c %D%/warnings.h

EXTRA_DIST += %D%/README.md
