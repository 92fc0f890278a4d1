mod_mercure_la_SOURCES += \
	%D%/lifecycle.c %D%/lifecycle.h

EXTRA_DIST += %D%/README.md
