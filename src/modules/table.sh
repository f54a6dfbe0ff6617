#!/bin/sh
# Writes the registry's table from the list of module files: three builds, one row of files each.
echo '/* Written by make from src/modules/modules.am. */'
echo '#include "nabla/module.h"'
echo 'extern const struct nb_module *const nb_module_files[3]['"$(($# + 1))"'];'
for f in "$@"; do
    n=$(basename "$f" .c)
    echo "extern const struct nb_module nb_module_${n}_f[], nb_module_${n}_d[], nb_module_${n}_z[];"
done
echo 'const struct nb_module *const nb_module_files[3]['"$(($# + 1))"'] = {'
for b in f d z; do
    printf '    {'
    for f in "$@"; do printf 'nb_module_%s_%s, ' "$(basename "$f" .c)" $b; done
    echo 'NULL},'
done
echo '};'
