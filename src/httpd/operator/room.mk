mod_mercure_la_SOURCES += \
	%D%/call.h \
	%D%/operator.c %D%/operator.h \
	%D%/disconnect.c %D%/disconnect.h \
	%D%/fields.c %D%/fields.h \
	%D%/machines.c %D%/machines.h \
	%D%/measure.c %D%/measure.h \
	%D%/page.c %D%/page.h \
	%D%/question.c %D%/question.h \
	%D%/respond.c %D%/respond.h \
	%D%/revocations.c %D%/revocations.h \
	%D%/revoke.c %D%/revoke.h \
	%D%/stats.c %D%/stats.h \
	%D%/streams.c %D%/streams.h \
	%D%/survey.c %D%/survey.h

EXTRA_DIST += %D%/README.md
