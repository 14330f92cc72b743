# A graph as it is drawn: one card per step, and arrows between them. It is made from a flow of this session or
# from what a run keeps of its flow; flow-plot.R and client-plot.R say what stands on the cards.
#
# A card: list(name, lines: texts below the name; kind: "start", "end", "step", "switch" or "missing"; depth: how many
# foreach are open; status, parts: named counts of tasks by status, see status-colours.R).
# `arrows`: a data frame of texts: from, to, label.

# `steps`: a list of list(name, next_step, foreach, join, condition, cases), as flow$steps.
graph_cards <- function(steps) {
  # A step that was added twice is one that the check will refuse; it is drawn once.
  steps <- steps[!duplicated(vapply(steps, function(s) s$name, ""))]
  arrows <- graph_arrows(steps)
  known <- vapply(steps, function(s) s$name, "")
  depth <- foreach_depth(steps, arrows)
  cards <- lapply(steps, function(s) {
    kind <- if (s$name %in% c("start", "end")) s$name else if (is.null(s$cases)) "step" else "switch"
    list(name = s$name, lines = character(), kind = kind, depth = depth[[s$name]], looks = "plain")
  })
  missing <- lapply(setdiff(arrows$to, known), function(name) {
    list(name = name, lines = "no such step", kind = "missing", depth = 0L, looks = "plain")
  })
  cards <- c(unname(cards), missing)
  names(cards) <- vapply(cards, function(card) card$name, "")
  list(cards = cards, arrows = arrows)
}

# One arrow for each pair of steps; it names the cases that lead that way, or what is split.
graph_arrows <- function(steps) {
  rows <- lapply(steps, function(s) {
    to <- unique(as.character(unlist(s$next_step)))
    if (!length(to)) return(NULL)
    label <- if (!is.null(s$cases)) {
      cases <- unlist(s$cases)
      vapply(to, function(name) paste(names(cases)[cases == name], collapse = ", "), "")
    } else if (!is.null(s$foreach)) paste("foreach", s$foreach) else ""
    data.frame(from = s$name, to = to, label = label)
  })
  do.call(rbind, c(list(data.frame(from = character(), to = character(), label = character())), unname(rows)))
}

# The steps of a FlowSpec (python/metaflow_core/graph/step.py) in the form of flow$steps.
spec_steps <- function(spec) {
  lapply(spec$steps, function(s) {
    list(name = s$name, next_step = unlist(s[["next"]]), foreach = s$foreach, join = isTRUE(s$join), language = s$language,
      condition = s$switch$condition, cases = s$switch$cases)
  })
}

# How many foreach splits are open while each step runs. A split opens, a join closes what was opened last.
foreach_depth <- function(steps, arrows) {
  names(steps) <- vapply(steps, function(s) s$name, "")
  open <- stats::setNames(vector("list", length(steps)), names(steps))
  # As often as the longest way is long, so that what a step adds reaches all after it; a circle ends there, too.
  for (turn in seq_along(steps)) {
    before <- open
    for (i in seq_len(nrow(arrows))) {
      from <- steps[[arrows$from[[i]]]]
      to <- arrows$to[[i]]
      if (from$name == to || is.null(steps[[to]])) next
      opens <- if (!is.null(from$foreach)) "foreach" else if (length(from$next_step) > 1L && is.null(from$cases)) "branch"
      inside <- c(open[[from$name]], opens)
      if (steps[[to]]$join) inside <- utils::head(inside, -1L)
      if (length(inside) && length(inside) <= length(steps)) open[[to]] <- inside
    }
    if (identical(open, before)) break
  }
  vapply(open, function(splits) sum(splits == "foreach"), 0L)
}

# A long name in lines: broken after "_" or ".", before a capital, or where it must be.
wrapped_name <- function(name, room = 18L) {
  if (nchar(name) <= room) return(name)
  pieces <- strsplit(gsub("(?<=[_.])(?=[^_.])|(?<=[a-z0-9])(?=[A-Z])", "\n", name, perl = TRUE), "\n", fixed = TRUE)[[1]]
  pieces <- unlist(lapply(pieces, function(piece) substring(piece, seq(1L, nchar(piece), room), pmin(seq(room, nchar(piece) + room - 1L, room), nchar(piece)))))
  lines <- pieces[[1]]
  for (piece in pieces[-1L]) {
    last <- lines[[length(lines)]]
    if (nchar(last) + nchar(piece) <= room) lines[[length(lines)]] <- paste0(last, piece) else lines <- c(lines, piece)
  }
  lines
}
