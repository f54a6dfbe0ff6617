#!/bin/sh
# Writes a text file as C source: embed.sh api/openapi.yaml > src/http/openapi.c
echo '/* Written by make from api/openapi.yaml. */'
echo '#include "http/openapi.h"'
echo 'const unsigned char nb_openapi[] = {'
od -An -v -tu1 "$1" | sed 's/[0-9][0-9]*/&,/g'
echo '0};'
echo 'const size_t nb_openapi_size = sizeof nb_openapi - 1;'
