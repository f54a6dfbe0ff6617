#!/bin/sh
# Writes the registry's table from the list of module files: one array of files for each of the three builds.
echo '/* Written by make from src/modules/modules.am. */'
echo '#include "nabla/module.h"'
for b in f d z; do
    for f in "$@"; do echo "extern const struct nb_module nb_module_$(basename "$f" .c)_${b}[];"; done
    echo "extern const struct nb_module *const nb_module_files_${b}[];"
    echo "const struct nb_module *const nb_module_files_${b}[] = {"
    for f in "$@"; do echo "    nb_module_$(basename "$f" .c)_$b,"; done
    echo '    NULL};'
done
