#!/bin/sh
# Makes an image, or a machine, run tasks of metaflow. Needs R and Python 3.9 or newer.
#   sh install.sh metaflow_0.1.0.tar.gz ["boto3 pyarrow cloudpickle"]
# The second argument are the Python packages; boto3 is what a datastore on S3 needs.
set -eu

package=$1
python_packages=${2-boto3 pyarrow cloudpickle}

# What the package needs and this R does not have.
Rscript --vanilla - "$package" <<'R'
archive <- commandArgs(TRUE)[[1]]
folder <- tempfile()
untar(archive, "metaflow/DESCRIPTION", exdir = folder)
needed <- gsub("\\s|\\(.*?\\)", "", strsplit(read.dcf(file.path(folder, "metaflow", "DESCRIPTION"), "Imports")[[1]], ",")[[1]])
missing <- setdiff(needed, rownames(installed.packages()))
if (length(missing)) install.packages(missing)
R
R CMD INSTALL --no-docs --no-test-load "$package"

python3 -m venv /opt/metaflow
# shellcheck disable=SC2086 - they are words
[ -z "$python_packages" ] || /opt/metaflow/bin/pip install --no-cache-dir $python_packages

core=$(Rscript --vanilla -e 'cat(system.file("python", package = "metaflow", mustWork = TRUE))')
cat >/usr/local/bin/metaflow-task <<PROGRAM
#!/bin/sh
# Runs one task; started by the job of a cluster.
export METAFLOW_PYTHON=/opt/metaflow/bin/python PYTHONPATH=$core PYTHONDONTWRITEBYTECODE=1
exec /opt/metaflow/bin/python -m metaflow_core.runners.task "\$@"
PROGRAM
chmod 755 /usr/local/bin/metaflow-task
metaflow-task --help >/dev/null
