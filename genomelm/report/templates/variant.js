// Both alleles of a variant on one scale, and their difference, around the first base that differs.
function span(...tracks) {
  const values = tracks.flat();
  return [Math.min(...values, 0), Math.max(...values, 0)];
}

function drawVariant(name, alleles) {
  const difference = alleles.ref.map((value, i) => alleles.alt[i] - value);
  const limits = span(alleles.ref, alleles.alt, difference);
  const length = alleles.ref_sequence.length;
  const either = [...alleles.alt_sequence].map((base, i) => (base === "-" ? alleles.ref_sequence[i] : base)).join("");
  const svg = stack(`${name}: attribution of both alleles on one scale, and their difference`, length, [
    ruler(alleles.ref_sequence, alleles.offset),
    logo("reference", alleles.ref_sequence, alleles.ref, limits),
    logo("alternate", alleles.alt_sequence, alleles.alt, limits),
    logo("alt. - ref.", either, difference, limits),
  ]);
  const mark = { x: at(alleles.at), y: 0, width: CELL * Math.max(alleles.columns, 1), height: svg.viewBox.baseVal.height, fill: "none", stroke: GREY, "stroke-dasharray": "3 3" };
  svg.append(element("rect", mark));
  return svg;
}
