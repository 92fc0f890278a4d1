mod_mercure_la_SOURCES += \
	%D%/sites.c %D%/sites.h

EXTRA_DIST += %D%/README.md
