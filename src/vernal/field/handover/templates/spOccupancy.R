# The same model, Bayesian, with the package spOccupancy.
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
source(file.path(if (length(script)) dirname(gsub("~+~", " ", script[1], fixed = TRUE)) else getwd(), "read.R"))
if (!requireNamespace("spOccupancy", quietly = TRUE)) stop("install.packages(\"spOccupancy\") first")
library(spOccupancy)

set.seed(1)
data <- list(y = y)
if (length(obs_covs)) data$det.covs <- obs_covs
fit <- PGOcc(
  occ.formula = ~1,
  det.formula = if (length(obs_covs)) reformulate(names(obs_covs)) else ~1,
  data = data,
  n.samples = 5000,
  n.burn = 2000,
  n.thin = 3,
  n.chains = 3
)
summary(fit)
# Occupancy by a column of sites.csv: data$occ.covs <- site_covs, and occ.formula = ~ elevation
