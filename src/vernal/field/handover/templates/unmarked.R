# The single-season occupancy model (MacKenzie et al. 2002) with the package unmarked.
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
source(file.path(if (length(script)) dirname(gsub("~+~", " ", script[1], fixed = TRUE)) else getwd(), "read.R"))
if (!requireNamespace("unmarked", quietly = TRUE)) stop("install.packages(\"unmarked\") first")
library(unmarked)

frame <- unmarkedFrameOccu(
  y = y,
  siteCovs = if (ncol(site_covs)) site_covs,
  obsCovs = if (length(obs_covs)) lapply(obs_covs, as.data.frame)
)
same_everywhere <- occu(~1 ~ 1, data = frame)
print(backTransform(same_everywhere, type = "state"))
print(backTransform(same_everywhere, type = "det"))

if (length(obs_covs)) {
  detection <- paste("~", paste(names(obs_covs), collapse = " + "))
  with_covariates <- occu(as.formula(paste(detection, "~ 1")), data = frame)
  print(summary(with_covariates))
  print(backTransform(with_covariates, type = "state"))
}
# Occupancy by a column of sites.csv: occu(~effort ~ elevation, data = frame)
