mod_mercure_la_SOURCES += \
	%D%/publication.c %D%/publication.h

EXTRA_DIST += %D%/README.md
