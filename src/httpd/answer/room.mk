mod_mercure_la_SOURCES += \
	%D%/answer.c %D%/answer.h \
	%D%/body.c %D%/body.h \
	%D%/failure.c %D%/failure.h

EXTRA_DIST += %D%/README.md
