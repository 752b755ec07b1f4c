# Reads the tables of this folder; needs nothing but R itself.
#   y          1, 0 or NA: a row a site, a column an occasion
#   effort     hours heard, of the same shape
#   site_covs  a row a site
#   obs_covs   standardised covariates of detection, each of the shape of y; those that are unknown or do not vary are
#              left out
# Rscript unmarked.R [label] [verified|thresholded]. In a session: setwd() to this folder, then source("unmarked.R").

labels <- c(LABELS)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- if (length(script)) dirname(gsub("~+~", " ", script[1], fixed = TRUE)) else getwd()
given <- commandArgs(TRUE)
label <- if (length(given) >= 1) given[1] else labels[1]
kind <- if (length(given) >= 2) given[2] else "verified"
if (!label %in% labels) stop("unknown label ", label, "; known: ", paste(labels, collapse = ", "))
if (!kind %in% c("verified", "thresholded")) stop("give verified or thresholded, not ", kind)

read_table <- function(name) {
  read.csv(file.path(here, name), row.names = 1, check.names = FALSE, encoding = "UTF-8")
}
y <- as.matrix(read_table(file.path(label, paste0("history_", kind, ".csv"))))
storage.mode(y) <- "integer"
effort <- as.matrix(read_table("effort.csv"))
site_covs <- read_table("sites.csv")

heard <- rowSums(!is.na(y)) > 0
if (!any(heard)) stop("no occasion of the ", kind, " history is known; check the detections first (kedro review)")
y <- y[heard, , drop = FALSE]
effort <- effort[heard, , drop = FALSE]
site_covs <- site_covs[rownames(y), , drop = FALSE]

standardised <- function(table) {
  table <- table[rownames(y), , drop = FALSE]
  table[is.na(y)] <- NA
  values <- table[!is.na(y)]
  spread <- if (length(values) > 1 && !anyNA(values)) sd(values) else 0
  if (spread > 0) (table - mean(values)) / spread else NULL
}
obs_covs <- list(
  effort = standardised(effort),
  date = standardised(as.matrix(read_table("date.csv"))),
  sunset = standardised(as.matrix(read_table("sunset.csv")))
)
obs_covs <- obs_covs[!vapply(obs_covs, is.null, logical(1))]

counted <- function(n, what) paste0(n, " ", what, if (n != 1) "s")
cat(
  label, ", ", kind, ": ", counted(nrow(y), "site"), ", ", counted(ncol(y), "occasion"), ", ",
  sum(y, na.rm = TRUE), " with a detection of ", sum(!is.na(y)), " known; naive occupancy ",
  round(mean(apply(y, 1, max, na.rm = TRUE)), 3), "\n",
  sep = ""
)
